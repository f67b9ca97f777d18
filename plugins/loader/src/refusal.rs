//! A file that was refused.

use std::fmt;

use farrier_sdk::error::Chain;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::error::LoadError;
use crate::library::Library;
use crate::step::Step;

/// A file, or a whole directory, that was refused.
///
/// Printed, it says what was refused, where, why, and what to do. As JSON it has all that in separate members,
/// except the full text of a layout comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file or directory, with what it would have offered.
    pub library: Library,
    /// Why.
    pub error: LoadError,
}

impl Refusal {
    /// The step that refused.
    #[must_use]
    pub fn step(&self) -> Step {
        self.error.step()
    }

    /// Why, with all causes.
    #[must_use]
    pub fn reason(&self) -> String {
        Chain(&self.error).to_string()
    }

    /// What somebody who builds the plugin may want to know besides: a thousand lines, for few errors only.
    #[must_use]
    pub fn explanation(&self) -> Option<&str> {
        if let LoadError::Layout { full, .. } = &self.error { Some(full) } else { None }
    }

    /// For the error of a driver that is not there: "`libacme.so` provides it but was refused: ...".
    #[must_use]
    pub fn quote(&self) -> String {
        format!("`{}` provides it but was refused: {}", self.library.file_name(), self.reason())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, step, remedy) = (self.library.path.display(), self.step(), self.error.remedy());
        write!(f, "`{path}` was refused at step {step}: {}; {remedy}", self.reason())
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serde_json::to_value(&self.error).map_err(serde::ser::Error::custom)?;
        if let Some(members) = error.as_object_mut() {
            members.remove("full");
        }
        let mut refusal = serializer.serialize_struct("Refusal", 6)?;
        refusal.serialize_field("library", &self.library)?;
        refusal.serialize_field("step", &self.step().number())?;
        refusal.serialize_field("step_title", self.step().title())?;
        refusal.serialize_field("error", &error)?;
        refusal.serialize_field("reason", &self.reason())?;
        refusal.serialize_field("remedy", self.error.remedy())?;
        refusal.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(error: LoadError) -> Refusal {
        Refusal { library: Library::unread("/usr/lib/farrier/libacme.so"), error }
    }

    fn glibc() -> LoadError {
        LoadError::Glibc { needs: "2.38".to_owned(), has: "2.36".to_owned() }
    }

    #[test]
    fn a_refusal_says_what_where_why_and_what_to_do() {
        insta::assert_snapshot!(refusal(glibc()), @"`/usr/lib/farrier/libacme.so` was refused at step 7 (needed libraries): needs GLIBC 2.38, this system has 2.36; get a build for this system, made on a system as old, or upgrade this one");
    }

    #[test]
    fn a_missing_driver_can_quote_it() {
        insta::assert_snapshot!(refusal(glibc()).quote(), @"`libacme.so` provides it but was refused: needs GLIBC 2.38, this system has 2.36");
    }

    #[test]
    fn its_json_has_the_summary_of_a_layout_comparison_but_not_the_text() {
        let refusal = refusal(LoadError::Layout {
            types: vec!["LogRecord".to_owned()],
            summary: "`LogRecord` differs".to_owned(),
            full: "a thousand lines".to_owned(),
        });

        let json = serde_json::to_value(refusal).unwrap();

        insta::assert_json_snapshot!(json["error"], @r#"
        {
          "code": "layout",
          "summary": "`LogRecord` differs",
          "types": [
            "LogRecord"
          ]
        }
        "#);
        assert_eq!(json["step"], 13);
    }
}
