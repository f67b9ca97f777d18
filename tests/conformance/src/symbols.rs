//! What a library exports and imports: its table of dynamic symbols.
//!
//! Works on bytes in memory that `farrier-loader` has already accepted; where a table leads out of the file, there
//! is nothing.
//!
//! Source: System V gABI, chapter 4, sections and symbol table.

const SECTION_HEADERS_AT: usize = 40;
const SECTION_SIZE: usize = 64;
const TYPE_DYNAMIC_SYMBOLS: u32 = 11;
const SYMBOL_SIZE: usize = 24;
const SEGMENT_LOAD: u32 = 1;

/// A dynamic symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) name: String,
    /// Whether it is the library's own.
    pub(crate) defined: bool,
}

/// All named dynamic symbols.
pub(crate) fn symbols(file: &[u8]) -> Vec<Symbol> {
    read(file).unwrap_or_default()
}

fn read(file: &[u8]) -> Option<Vec<Symbol>> {
    let (symbols, strings) = tables(file)?;
    let named = symbols.chunks_exact(SYMBOL_SIZE).filter_map(|symbol| {
        let rest = strings.get(usize::try_from(u32_at(symbol, 0)?).ok()?..)?;
        let name = rest.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())?;
        let defined = u16_at(symbol, 6)? != 0;
        Some(Symbol { name: String::from_utf8_lossy(name).into_owned(), defined })
    });
    Some(named.collect())
}

/// All texts beside the dynamic symbols: their names, and those of the versions they need.
pub(crate) fn texts(file: &[u8]) -> Vec<String> {
    let strings = tables(file).map(|(_, strings)| strings).unwrap_or_default();
    strings.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// The table of dynamic symbols and that of their names.
fn tables(file: &[u8]) -> Option<(&[u8], &[u8])> {
    let (table, count) = (u64_at(file, SECTION_HEADERS_AT)?, u16_at(file, 60)?);
    let section = |index: usize| file.get(table.checked_add(index.checked_mul(SECTION_SIZE)?)?..);
    let dynamic = (0..usize::from(count))
        .filter_map(section)
        .find(|section| u32_at(section, 4) == Some(TYPE_DYNAMIC_SYMBOLS))?;
    let strings = section(usize::try_from(u32_at(dynamic, 40)?).ok()?)?;
    Some((part(file, dynamic)?, part(file, strings)?))
}

/// What the library takes in memory, in bytes.
pub(crate) fn size_in_memory(file: &[u8]) -> u64 {
    let headers = |index: usize| {
        let table = u64_at(file, 32)?;
        file.get(table.checked_add(index.checked_mul(56)?)?..)
    };
    let count = usize::from(u16_at(file, 56).unwrap_or_default());
    let segments = (0..count).filter_map(headers).filter(|segment| u32_at(segment, 0) == Some(SEGMENT_LOAD));
    segments.filter_map(|segment| u64_at(segment, 40)).fold(0, |sum, size| sum.saturating_add(size as u64))
}

fn part<'a>(file: &'a [u8], section: &[u8]) -> Option<&'a [u8]> {
    let (offset, size) = (u64_at(section, 24)?, u64_at(section, 32)?);
    file.get(offset..offset.checked_add(size)?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_imports_something_and_has_a_size() {
        let file = std::fs::read("/proc/self/exe").unwrap();

        let symbols = symbols(&file);

        assert!(symbols.iter().any(|symbol| symbol.name == "write" && !symbol.defined), "{symbols:?}");
        assert!(size_in_memory(&file) > 100_000);
    }

    #[test]
    fn no_text_panics() {
        let file = std::fs::read("/proc/self/exe").unwrap();

        for size in (0..4096).chain([file.len() / 2]) {
            let part = &file[..size];
            let _ = (symbols(part), size_in_memory(part));
        }
    }
}
