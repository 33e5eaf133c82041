use super::*;

/// An output that does what the test says with each piece, and keeps what it took.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Behaviour>>);

#[derive(Default)]
struct Behaviour {
    taken: Vec<u8>,
    /// How much of each piece is taken; `None` for all of it.
    bites: Option<usize>,
    error: Option<ErrorKind>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut behaviour = self.0.lock();
        if let Some(error) = behaviour.error {
            return Err(error.into());
        }
        let count = behaviour.bites.unwrap_or(bytes.len()).min(bytes.len());
        behaviour.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().taken.clone()).unwrap()
    }
}

fn write(writer: &mut Writer<Output>, lines: &str) {
    writer.write(lines.as_bytes(), &Queue::default());
}

#[test]
fn every_line_arrives_in_order_before_the_end() {
    let output = Output::default();
    output.0.lock().bites = Some(7);
    let sink = Sink::before(output.clone()).unwrap();
    let mut expected = String::new();
    for number in 0..500 {
        let line = format!("line {number}\n");
        (&sink).write_all(line.as_bytes()).unwrap();
        expected.push_str(&line);
    }
    sink.close(Duration::from_mins(1));
    assert_eq!(output.text(), expected);
    (&sink).write_all(b"too late\n").unwrap();
    assert_eq!(output.text(), expected);
}

#[test]
fn an_output_that_takes_nothing_holds_nobody_up() {
    let output = Output::default();
    output.0.lock().error = Some(ErrorKind::WouldBlock);
    let sink = Sink::before(output.clone()).unwrap();
    let before = lost();
    let line = format!("{}\n", "x".repeat(1023));
    // What is on its way to the output and what waits behind it.
    for _ in 0..2 * MOST / 1024 + 10 {
        (&sink).write_all(line.as_bytes()).unwrap();
    }
    assert!(lost() >= before + 10, "the lost are counted");
    output.0.lock().error = None;
    sink.close(Duration::from_mins(1));
    let text = output.text();
    assert!(text.lines().all(|line| line.len() == 1023), "whole lines");
    assert!(text.len() > MOST - 2048, "{}", text.len());
}

#[test]
fn a_line_that_broke_off_does_not_swallow_the_next() {
    let output = Output::default();
    let mut writer = Writer::of(output.clone());
    output.0.lock().bites = Some(0);
    let before = lost();
    write(&mut writer, "lost\n");
    assert!(lost() > before);
    output.0.lock().taken.extend_from_slice(b"tor");
    writer.is_torn = true;
    output.0.lock().bites = None;
    write(&mut writer, "whole\nlines\n");
    assert_eq!(output.text(), "tor\nwhole\nlines\n");
    assert!(!writer.is_torn);
}
