//! Request targets: near misses of the real routes, ways from one route into another, and anything
//! that the grammar of a path and its abuses allow.

use super::routes::ROUTES;

/// `SplitMix64`: the same targets for a seed, whatever the versions of anything.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }
}

/// What a path may hold without having two readings.
const PLAIN: [&[u8]; 46] = [
    b"a",
    b"b",
    b"x",
    b"Z",
    b"7",
    b"-",
    b".",
    b"_",
    b"~",
    b"!",
    b"$",
    b"&",
    b"'",
    b"(",
    b")",
    b"*",
    b"+",
    b",",
    b"=",
    b":",
    b"@",
    b"[",
    b"]",
    b"%20",
    b"%21",
    b"%24",
    b"%26",
    b"%2B",
    b"%2b",
    b"%2C",
    b"%3A",
    b"%3d",
    b"%3F",
    b"%23",
    b"%40",
    b"%5B",
    b"%7B",
    b"%22",
    b"...",
    b"..a",
    b"%C3%A4",
    b"%E4%BD%A0",
    b"%F0%9F%98%80",
    // KELVIN SIGN, LONG S and FULLWIDTH SOLIDUS: letters and a slash for whoever folds too much.
    b"%E2%84%AA",
    b"%c5%bf",
    b"%EF%BC%8F",
];

/// What servers are known to read in different ways.
const ODD: [&[u8]; 67] = [
    b"%2e",
    b"%2E",
    b".%2e",
    b"%2e%2e",
    b"%2f",
    b"%2F",
    b"..%2f",
    b"%5c",
    b"%5C",
    b"..%5c",
    b"%00",
    b"%25",
    b"%252e",
    b"%252f",
    b"%25%32%66",
    b"%3b",
    b"%3B",
    b"%0a",
    b"%0d",
    b"%09",
    b"%7f",
    b"%61",
    b"%4F",
    b"%7e",
    b"%2d",
    b"%c0%af",
    b"%c0%ae",
    b"%e0%80%af",
    b"%f0%80%80%af",
    b"%c1%9c",
    b"%ed%a0%80",
    b"%80",
    b"%ff",
    b"%e4%bd",
    b"%c2%85",
    b"%u002f",
    b"%",
    b"%2",
    b"%g0",
    b"%%32f",
    b";",
    b";a=b",
    b";/",
    b";jsessionid=1",
    b"..;",
    b"..;/",
    b".;/",
    b"\\",
    b"..\\",
    b"/\\",
    b"//",
    b"/./",
    b"/../",
    b"/.",
    b"/..",
    b"#",
    b"#/",
    b"|",
    b"^",
    b"`",
    b"{",
    b"}",
    b"\"",
    b"<",
    b" ",
    b"\t",
    b"\0",
];

/// Ways up, as they are written where `/../` is looked for.
const UPWARDS: [&[u8]; 20] = [
    b"/..",
    b"/%2e%2e",
    b"/.%2E",
    b"/..;",
    b"/..;x=y",
    b"/%2e%2e;",
    b"%2f..",
    b"%2F%2e%2e",
    b"/..%2f",
    b"\\..",
    b"%5c..",
    b"/..\\",
    b"/..%5C",
    b"/%252e%252e",
    b"/%c0%ae%c0%ae",
    b"/..%00",
    b"//..",
    b"/./..",
    b"/.../..",
    b"/..%20",
];

/// The next target, without CR and LF: those would end the line.
pub(super) fn target(random: &mut Random) -> Vec<u8> {
    let mut target = match random.below(100) {
        0..45 => near_miss(random),
        45..65 => way_into_another(random),
        65..92 => free(random),
        92..96 => long(random),
        _ => another_form(random),
    };
    if random.percent(12) {
        query(random, &mut target);
    }
    target
}

/// A path that its route fits, with something for every name and every `**`.
fn real(random: &mut Random) -> Vec<u8> {
    let route = &ROUTES[random.below(ROUTES.len())];
    let mut path = Vec::new();
    let (closed, open) = match route.pattern.strip_suffix("/**") {
        Some(prefix) => (prefix, true),
        None => (route.pattern, false),
    };
    for segment in closed.split('/').skip(1) {
        path.push(b'/');
        if !segment.starts_with('{') {
            path.extend(segment.bytes());
        } else if random.percent(25) {
            // The beginning of another route.
            path.extend(random.pick(&BEGINNINGS).bytes());
        } else {
            plain(random, &mut path);
        }
    }
    // The prefix itself, or something below, or a slash and nothing.
    let below = if open { random.below(3) } else { 0 };
    for _ in 0..below {
        path.extend(b"/");
        if random.percent(20) {
            break;
        }
        plain(random, &mut path);
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

const BEGINNINGS: [&str; 9] = [
    "openapi", "files", "public", "mail", "shop", "ws", "actuator", "admin", "meta",
];

fn plain(random: &mut Random, path: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        path.extend(random.pick(&PLAIN));
    }
}

fn near_miss(random: &mut Random) -> Vec<u8> {
    let mut path = real(random);
    if random.percent(25) {
        escape_a_delimiter(random, &mut path);
    }
    for _ in 0..random.below(4) {
        mutate(random, &mut path);
    }
    path
}

/// One step away.
fn mutate(random: &mut Random, path: &mut Vec<u8>) {
    let at = random.below(path.len().max(1));
    match random.below(14) {
        0 => drop(path.splice(at..at, random.pick(&ODD).iter().copied())),
        1 | 2 => drop(path.splice(at..at, random.pick(&PLAIN).iter().copied())),
        3 => drop(path.drain(at..(at + 1).min(path.len()))),
        4 | 5 => change_case(path.get_mut(at)),
        6 => path.iter_mut().for_each(|byte| change_case(Some(byte))),
        7 => escape(random, path, at),
        8 => escape_a_delimiter(random, path),
        9 => path.push(b'/'),
        10 => path.extend(random.pick::<[u8]>(&[
            b".", b"%20", b";", b"/.", b"%00", b"..", b"+", b".json", b"%2f", b"/*", b"$", b"//",
        ])),
        11 => {
            if at + 1 < path.len() {
                path.swap(at, at + 1);
            }
        }
        12 => {
            let slash = path.iter().skip(at).position(|byte| *byte == b'/');
            let at = slash.map_or(0, |offset| at + offset);
            let between = random.pick::<[u8]>(&[
                b"/", b"/.", b"/x/..", b"/;", b";", b";x=y", b"%2f", b"\\", b".", b"%20", b"/%2e",
            ]);
            path.splice(at..at, between.iter().copied());
        }
        _ => {
            path.push(b'/');
            plain(random, path);
        }
    }
}

fn change_case(byte: Option<&mut u8>) {
    if let Some(byte) = byte.filter(|byte| byte.is_ascii_alphabetic()) {
        *byte ^= 0x20;
    }
}

/// Writes one byte as an escape, in either case, sometimes as the escape of an escape.
fn escape(random: &mut Random, path: &mut Vec<u8>, at: usize) {
    let Some(byte) = path.get(at).copied() else {
        return;
    };
    let escape = match random.below(5) {
        0 => format!("%25{byte:02x}"),
        1 | 2 => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    path.splice(at..=at, escape.bytes());
}

/// Escapes what a client library would: `encodeURIComponent` and its kind.
fn escape_a_delimiter(random: &mut Random, path: &mut Vec<u8>) {
    let is_delimiter = |byte: &u8| b"!$&'()*+,=:@[]".contains(byte);
    if let Some(at) = path.iter().position(is_delimiter) {
        escape(random, path, at);
    }
}

/// A real path, some steps up, and another real path.
fn way_into_another(random: &mut Random) -> Vec<u8> {
    let mut path = real(random);
    for _ in 0..=random.below(3) {
        path.extend(random.pick(&UPWARDS));
    }
    path.extend(real(random));
    if random.percent(30) {
        mutate(random, &mut path);
    }
    path
}

fn free(random: &mut Random) -> Vec<u8> {
    let mut path = Vec::new();
    // Most of these are harmless, or next to nothing would pass.
    let odd = if random.percent(60) { 0 } else { 25 };
    for _ in 0..=random.below(5) {
        path.extend(b"/");
        for _ in 0..=random.below(4) {
            match random.below(100) {
                chance if chance < odd => path.extend(random.pick(&ODD)),
                chance if chance % 5 == 0 => path.extend(random.pick(&BEGINNINGS).bytes()),
                _ => path.extend(random.pick(&PLAIN)),
            }
        }
    }
    if random.percent(25) {
        path.push(b'/');
    }
    path
}

fn long(random: &mut Random) -> Vec<u8> {
    let mut path = real(random);
    let piece = if random.percent(70) {
        random.pick(&PLAIN)
    } else {
        random.pick(&ODD)
    };
    let segment = [b"/".as_slice(), piece].concat();
    let pieces = 1 << (4 + random.below(9));
    let filler = if random.percent(50) { piece } else { &segment };
    path.extend(filler.repeat(pieces));
    path.truncate(12 * 1024);
    path
}

/// Targets that are no path, or begin as none does.
fn another_form(random: &mut Random) -> Vec<u8> {
    let path = real(random);
    let prefix: &[u8] = random.pick(&[
        b"http://evil.test",
        b"//evil.test",
        b"https://",
        b"file:",
        b"*",
        b"",
        b"/",
        b"\\",
        b"?",
        b".",
        b"%2f",
        b"@evil.test",
        b"/http://evil.test",
        b"nginx.test:80",
        b";",
    ]);
    let mut target = prefix.to_vec();
    let skip = usize::from(random.percent(30));
    target.extend(path.iter().skip(skip));
    if target.is_empty() {
        target.push(b'*');
    }
    target
}

fn query(random: &mut Random, target: &mut Vec<u8>) {
    target.extend(random.pick::<[u8]>(&[b"?", b"?", b"?", b"%3f", b"??", b";?", b"#?", b"&"]));
    for _ in 0..random.below(4) {
        match random.below(4) {
            0 => target.extend(real(random)),
            1 => target.extend(random.pick(&UPWARDS)),
            2 => target.extend(random.pick(&ODD)),
            _ => target.extend(random.pick::<[u8]>(&[b"a=b", b"&", b";", b"=", b"/", b"path=/ws"])),
        }
    }
}
