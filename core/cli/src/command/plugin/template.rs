//! The files of a new plugin: those of the crate `farrier-template`, with another name.

/// What the template's plugin is called.
const NAME: &str = "acme";

/// A file of the template and where it goes.
pub(super) struct File {
    pub(super) path: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($path:literal from $source:literal),* $(,)?) => {
        &[$(File {
            path: $path,
            text: include_str!(concat!("../../../../../plugins/template/", $source)),
        }),*]
    };
}

/// All of them.
pub(super) const FILES: &[File] = files! {
    "Cargo.toml" from "scaffold/Cargo.toml.txt",
    "README.md" from "README.md",
    "conformance.toml" from "conformance.toml",
    ".gitignore" from "scaffold/gitignore.txt",
    ".github/workflows/plugin.yml" from "scaffold/ci.yml.txt",
    "src/lib.rs" from "src/lib.rs",
    "src/options.rs" from "src/options.rs",
    "src/driver_info.rs" from "src/driver_info.rs",
    "src/device.rs" from "src/device.rs",
    "src/power.rs" from "src/power.rs",
    "src/management.rs" from "src/management.rs",
    "examples/simulator/main.rs" from "examples/simulator/main.rs",
    "examples/simulator/device.rs" from "examples/simulator/device.rs",
    // next file of the template above this line
};

/// A name in all the forms it is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// `acme-pdu`: the plugin, the package, the configuration.
    kebab: String,
    /// `acme_pdu`: keys and the library's file.
    snake: String,
    /// `AcmePdu`: types, and the maker in comments.
    camel: String,
}

impl Names {
    /// The forms of a name that is one.
    pub(super) fn new(name: &str) -> Self {
        let camel = name.split('-').map(|part| {
            let mut characters = part.chars();
            let first = characters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().chain(characters).collect::<String>()
        });
        Self { kebab: name.to_owned(), snake: name.replace('-', "_"), camel: camel.collect() }
    }

    /// The library that `cargo build` makes.
    pub(super) fn library(&self) -> String {
        format!("lib{}.so", self.snake)
    }

    /// `text` with the template's name replaced, each time by the form that belongs there.
    fn rename(&self, text: &str) -> String {
        let mut renamed = String::new();
        let mut rest = text;
        while let Some(at) = rest.to_ascii_lowercase().find(NAME) {
            let (before, found) = rest.split_at(at);
            let (word, after) = found.split_at(NAME.len());
            renamed.push_str(before);
            let in_identifier =
                after.starts_with('_') || renamed.ends_with(['_']) || renamed.ends_with("lib");
            if word == "ACME" {
                renamed.push_str(&self.snake.to_ascii_uppercase());
            } else if word.starts_with('A') {
                renamed.push_str(&self.camel);
            } else if in_identifier {
                renamed.push_str(&self.snake);
            } else {
                renamed.push_str(&self.kebab);
            }
            rest = after;
        }
        renamed + rest
    }
}

impl File {
    /// The file for a plugin of this name, on this SDK.
    pub(super) fn text(&self, names: &Names, sdk: &str) -> String {
        names.rename(self.text).replace("@SDK@", sdk)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn each_form_of_the_name_goes_where_it_belongs() {
        let names = Names::new("pdu-http");

        let text =
            names.rename("name: \"acme\", acme_address AcmePower libacme.so `[acme]` ACME_KEY Acme BMCs");

        assert_eq!(
            text,
            "name: \"pdu-http\", pdu_http_address PduHttpPower libpdu_http.so `[pdu-http]` PDU_HTTP_KEY PduHttp BMCs"
        );
        assert_eq!(names.library(), "libpdu_http.so");
    }

    #[test]
    fn nothing_of_the_template_keeps_its_name() {
        let names = Names::new("pdu-http");

        for file in FILES {
            let text = file.text(&names, "\"0.1\"");
            assert!(!text.to_ascii_lowercase().contains(NAME), "{}", file.path);
            assert!(
                !text.contains('@') || file.path.ends_with(".yml") || file.path.ends_with(".rs"),
                "{}",
                file.path
            );
        }
    }

    #[test]
    fn every_source_of_the_template_is_listed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/template");
        let mut folders = vec![root.join("src"), root.join("examples")];
        let mut sources: Vec<PathBuf> = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { sources.push(path) }
            }
        }
        let listed = |path: &PathBuf| {
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap();
            FILES.iter().any(|file| file.path == path)
        };

        assert!(sources.len() > 5);
        assert!(sources.iter().all(listed), "{sources:?}");
    }
}
