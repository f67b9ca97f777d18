//! A page of the manual, read for its commands.

/// A page's blocks of commands, in their order.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
}

/// Commands that stand together.
#[derive(Debug)]
pub(super) struct Block {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) fate: Fate,
    pub(super) commands: Vec<Shown>,
}

/// What becomes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Run,
    NotRun,
    /// For the test alone.
    Hidden,
    Unmarked,
}

/// A command and what it prints.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) output: Vec<String>,
}

impl Page {
    pub(super) fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut mark = Fate::Unmarked;
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        while let Some((number, line)) = lines.next() {
            let comment = line.trim().strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
            match comment {
                Some("run") => mark = Fate::Run,
                Some(why) if why.strip_prefix("not run: ").is_some_and(|why| !why.is_empty()) => {
                    mark = Fate::NotRun;
                }
                Some(comment) => {
                    if let Some(text) = comment.strip_prefix("in the test: ") {
                        let command =
                            Shown { line: number, text: text.to_owned(), output: vec!["...".to_owned()] };
                        page.blocks.push(Block { line: number, fate: Fate::Hidden, commands: vec![command] });
                    }
                }
                None => {}
            }
            if line.starts_with("```console") {
                let block = lines.by_ref().take_while(|(_, line)| !line.starts_with("```"));
                let commands = commands(block);
                page.blocks.push(Block { line: number, fate: mark, commands });
                mark = Fate::Unmarked;
            }
        }
        page
    }
}

fn commands<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    for (number, line) in lines {
        if let Some(text) = line.strip_prefix("$ ") {
            commands.push(Shown { line: number, text: text.to_owned(), output: Vec::new() });
            continue;
        }
        let Some(command) = commands.last_mut() else { continue };
        match line.strip_prefix("> ") {
            Some(more) if command.output.is_empty() => {
                command.text.push('\n');
                command.text.push_str(more);
            }
            _ if command.text.ends_with('\\') => {
                command.text.push('\n');
                command.text.push_str(line);
            }
            _ => command.output.push(line.to_owned()),
        }
    }
    commands
}

impl Shown {
    /// Whether it prints this: each line of what is shown in its turn, `...` for anything within a line or between lines.
    pub(super) fn prints(&self, printed: &str) -> bool {
        let shown: Vec<&str> =
            self.output.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        // What is shown without output may say what it likes about its progress: nothing is claimed.
        shown.is_empty() || matches(&shown.join("\n"), printed)
    }
}

/// Whether `text` is the pattern with each `...` replaced by something; spaces at the ends of lines do not count.
fn matches(pattern: &str, text: &str) -> bool {
    let text = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let mut parts = pattern.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first.trim_end_matches('\n')) else { return false };
    let mut last = first;
    for part in parts {
        last = part;
        let part = part.trim_matches('\n');
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    // Without a `...` at its end the pattern is all there is; a part found too early may occur again at the end.
    pattern.ends_with("...")
        || rest.is_empty()
        || (pattern.contains("...") && text.ends_with(last.trim_matches('\n')))
}

#[test]
fn dots_stand_for_anything_and_nothing_else_does() {
    assert!(matches("a\n...\nd", "a\nb\nc\nd"));
    assert!(matches("x...z", "x y z"));
    assert!(matches("a", "a"));
    assert!(matches("...", ""));
    assert!(!matches("a", "a\nb"));
    assert!(!matches("a\n...\nd", "a\nb"));
    assert!(!matches("a...", "b"));
}

#[test]
fn commands_go_on_and_print() {
    let page = Page::read(
        "<!-- run -->\n```console\n$ cat <<END\n> x\n> END\nx\n$ a \\\n  b\n```\n\n```console\n$ c\n```\n",
    );

    let [first, second] = page.blocks.as_slice() else { panic!("{page:?}") };
    assert_eq!((first.fate, second.fate), (Fate::Run, Fate::Unmarked));
    assert_eq!(first.commands[0].text, "cat <<END\nx\nEND");
    assert_eq!(first.commands[0].output, ["x"]);
    assert_eq!(first.commands[1].text, "a \\\n  b");
}

#[test]
fn what_is_not_run_says_why() {
    let fates = |comment: &str| Page::read(&format!("{comment}\n```console\n$ c\n```\n")).blocks[0].fate;

    assert_eq!(fates("<!-- not run: it needs root -->"), Fate::NotRun);
    assert_eq!(fates("<!-- not run:  -->"), Fate::Unmarked);
}
