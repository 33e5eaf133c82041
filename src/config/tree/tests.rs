use proptest::prelude::*;

use super::*;

/// The tree as one line: `line:value`, with `!` before a node that has a fault.
fn outline(node: &Node) -> String {
    let content = match &node.content {
        Content::Bool(value) => value.to_string(),
        Content::Broken => "broken".to_owned(),
        Content::Float => "float".to_owned(),
        Content::Integer(value) => value.to_string(),
        Content::List(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(outline).collect();
            format!("[{}]", nodes.join(" "))
        }
        Content::Map(entries) => {
            let entry = |entry: &Entry| format!("{}={}", entry.key, outline(&entry.value));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(" "))
        }
        Content::Null => "null".to_owned(),
        Content::Text(text) => format!("'{}'", text.as_str()),
    };
    let fault = node
        .fault
        .map(|fault| format!("!{fault:?} "))
        .unwrap_or_default();
    let line = node.line.map(|line| format!("{line}:")).unwrap_or_default();
    format!("{line}{fault}{content}")
}

fn yaml(text: &str) -> Result<String, SyntaxError> {
    Tree::from_yaml(text).map(|tree| outline(&tree.root))
}

#[test]
fn values_stand_on_the_lines_of_their_keys() {
    for (case, text, expected) in [
        (
            "scalars",
            "a: 1\nb: yes\nc: true\nd: 1.5\ne:\nf: 0x10\n",
            "1:{a=1:1 b=2:'yes' c=3:true d=4:float e=5:null f=6:16}",
        ),
        (
            "a nested map",
            "a:\n  b:\n    c: x\n",
            "1:{a=1:{b=2:{c=3:'x'}}}",
        ),
        (
            "a list",
            "a:\n  - x\n  - y: z\n",
            "1:{a=1:[2:'x' 3:{y=3:'z'}]}",
        ),
        (
            "flow style",
            "a: { b: [1, 2],\n  c: x }\n",
            "1:{a=1:{b=1:[1:1 1:2] c=2:'x'}}",
        ),
        ("a value below its key", "a:\n\n  x\n", "1:{a=1:'x'}"),
        ("a byte order mark", "\u{feff}a: 1\n", "1:{a=1:1}"),
        ("comments only", "# nothing\n", "1:null"),
        ("nothing", "", "1:null"),
        ("a block scalar", "a: |\n  x\n  y\n", "1:{a=1:'x\ny\n'}"),
        (
            "a huge number",
            "99999999999999999999999999999999999999999",
            "1:float",
        ),
    ] {
        assert_eq!(yaml(text), Ok(expected.to_owned()), "{case}");
    }
}

#[test]
fn forbidden_forms_are_marked_where_they_stand() {
    for (case, text, expected) in [
        (
            "a duplicate key",
            "a: 1\nb: 2\na: 3\n",
            "1:{a=1:1 b=2:2 a=3:!DuplicateKey 3}",
        ),
        (
            "a key that is a number",
            "1: x\n",
            "1:{1=1:!KeyIsNotText 'x'}",
        ),
        (
            "an anchor, whose value counts",
            "a: &x { b: 1 }\n",
            "1:{a=1:!Anchor {b=1:1}}",
        ),
        (
            "an alias",
            "a: &x 1\nb: *x\n",
            "1:{a=1:!Anchor 1 b=2:!Alias broken}",
        ),
        ("a tagged scalar", "a: !!str 1\n", "1:{a=1:!Tag broken}"),
        (
            "a tagged map",
            "a: !x { b: 1 }\nc: 2\n",
            "1:{a=1:!Tag broken c=2:2}",
        ),
        (
            "a merge key",
            "a: &x { b: 1 }\n<<: *x\n",
            "1:{a=1:!Anchor {b=1:1} <<=2:!Alias broken}",
        ),
    ] {
        assert_eq!(yaml(text), Ok(expected.to_owned()), "{case}");
    }
}

#[test]
fn what_is_not_plain_yaml_is_refused_with_its_line() {
    for (case, text, line) in [
        ("an open list", "a: [1, 2\n", 2),
        (
            "an indentation that fits nothing",
            "a:\n    b: 1\n  c: 2\n",
            3,
        ),
        ("a tab", "a:\n\tb: 1\n", 2),
        ("a map as a key", "{ a: b }: c\n", 1),
        ("a list as a key", "? [a]\n: c\n", 1),
        ("no key", "a: 1\n: 2\n", 2),
    ] {
        assert_eq!(
            yaml(text).map_err(|error| error.line),
            Err(Some(line)),
            "{case}"
        );
    }
    assert_eq!(
        yaml("a:\n\tb: 1\n").unwrap_err().message,
        "not valid YAML: indent with spaces, not with tabs"
    );
}

#[test]
fn a_second_document_is_noticed_and_not_read() {
    let tree = Tree::from_yaml("a: 1\n---\na: [\n").unwrap();
    assert_eq!(outline(&tree.root), "1:{a=1:1}");
    assert_eq!(tree.second_document, Some(2));
    let tree = Tree::from_yaml("---\na: 1\n...\n").unwrap();
    assert_eq!(tree.second_document, None);
}

#[test]
fn deep_nesting_is_refused_before_it_costs_anything() {
    for text in [
        "[".repeat(1_000_000),
        "- ".repeat(1_000_000),
        "{a: ".repeat(1_000_000),
    ] {
        assert!(yaml(&text).is_err());
    }
}

#[test]
fn aliases_are_never_expanded() {
    let bomb = (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1));
    let text: String = std::iter::once("a0: &a0 [x, x]\n".to_owned())
        .chain(bomb)
        .collect();
    assert!(yaml(&text).is_ok());
}

#[test]
fn json_has_no_lines_and_marks_repeated_members() {
    let json = |text| Tree::from_json(text).map(|tree| outline(&tree.root));
    assert_eq!(
        json(r#"{"a":[1,null,true,1.5],"b":"x","a":2}"#),
        Ok("{a=[1 null true float] b='x' a=!DuplicateKey 2}".to_owned())
    );
    assert_eq!(
        json("{\n\"a\": }").unwrap_err(),
        SyntaxError {
            line: Some(2),
            message: "not valid JSON"
        }
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_parser_panic(text in any::<String>()) {
        let _ = (Tree::from_yaml(&text), Tree::from_json(&text));
    }

    #[test]
    fn no_yaml_like_text_makes_a_parser_panic(
        text in "([a-c]|: |- |\n|\n  |\t|\\{|\\}|\\[|\\]|, |\\? |&a |\\*a|!t |'|\"|\\||>|#|---\n|\\.\\.\\.|%|1|~|\\\\){0,40}"
    ) {
        let _ = Tree::from_yaml(&text);
    }

    #[test]
    fn plain_text_in_quotes_is_read_as_it_was_written(text in "[ -~]{0,40}") {
        let quoted = format!("a: '{}'\n", text.replace('\'', "''"));
        prop_assert_eq!(yaml(&quoted), Ok(format!("1:{{a=1:'{text}'}}")));
    }
}
