//! The two recipes for the image say the same of it.

use super::{read, root};
use crate::support::tools::{run, tool};

const RECIPES: [&str; 2] = ["Dockerfile", "Containerfile.scratch"];

#[test]
fn a_linter_finds_nothing_to_complain_of() {
    run(tool("hadolint").args(RECIPES).current_dir(root()));
}

#[test]
fn both_recipes_have_the_version_of_the_crate() {
    let version = format!("ARG VERSION={}\n", env!("CARGO_PKG_VERSION"));
    for file in RECIPES {
        assert_eq!(read(file).matches(&version).count(), 1, "{file}");
    }
}

#[test]
fn both_recipes_give_the_images_the_same_words() {
    // What a program or a registry reads of an image, without the files in it.
    let words = |file: &str| -> Vec<String> {
        let words = [
            "LABEL ",
            "org.",
            "USER ",
            "EXPOSE ",
            "ENV PATH",
            "ENTRYPOINT ",
            "CMD ",
        ];
        let text = read(file);
        let (_, images) = text.split_once("\nFROM scratch AS ").unwrap();
        images
            .lines()
            .map(str::trim)
            .filter(|line| words.iter().any(|word| line.starts_with(word)))
            .map(str::to_owned)
            .collect()
    };
    let expected = words("Containerfile.scratch");
    assert!(expected.len() > 12, "{expected:?}");
    assert_eq!(words("Dockerfile"), expected);
}

#[test]
fn the_compiler_of_the_recipe_is_the_oldest_that_is_supported() {
    let image = format!("rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    assert!(read("Dockerfile").contains(&image), "{image}");
}
