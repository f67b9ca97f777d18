//! One file as an answer, or the part of it that was asked for: BMCs read images piece by piece.
//!
//! Source: RFC 9110, sections 13 and 14.

use std::fs::Metadata;
use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, RANGE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::OwnedSemaphorePermit;

/// What is read at once.
const CHUNK: u64 = 64 * 1024;

/// Which bytes of a file are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All.
    Whole,
    /// From the first to the last one, both included.
    Bytes(u64, u64),
    /// Some that it does not have.
    Beyond,
}

/// The answer to GET; the framework takes the body away for HEAD. `permit` goes with the last byte.
///
/// # Errors
///
/// The file cannot be read.
pub(super) async fn answer(
    path: &Path,
    headers: &HeaderMap,
    permit: OwnedSemaphorePermit,
) -> io::Result<Response> {
    let mut file = File::open(path).await?;
    let metadata = file.metadata().await?;
    let (length, tag) = (metadata.len(), tag(&metadata));
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    // Somebody who goes on with another version of the file needs all of this one.
    let same = text(IF_RANGE).is_none_or(|known| known == tag);
    let part = text(RANGE).filter(|_| same).map_or(Part::Whole, |range| part(range, length));
    let common = [(ACCEPT_RANGES, "bytes".to_owned()), (ETAG, tag)];
    let (status, first, size, range) = match part {
        Part::Beyond => {
            let range = [(CONTENT_RANGE, format!("bytes */{length}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, common, range).into_response());
        }
        Part::Whole => (StatusCode::OK, 0, length, None),
        Part::Bytes(first, last) => {
            let range = format!("bytes {first}-{last}/{length}");
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1, Some((CONTENT_RANGE, range)))
        }
    };
    file.seek(SeekFrom::Start(first)).await?;
    let content = [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_LENGTH, size.to_string())];
    let body = body(file, size, permit);
    let mut response = (status, common, content, body).into_response();
    if let Some((name, value)) = range
        && let Ok(value) = value.parse()
    {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// `size` bytes of a file, read as they are sent.
fn body(file: File, size: u64, permit: OwnedSemaphorePermit) -> Body {
    Body::from_stream(stream::try_unfold((file, size, permit), |(mut file, left, permit)| async move {
        if left == 0 {
            return Ok::<_, io::Error>(None);
        }
        let wanted = usize::try_from(left.min(CHUNK)).map_err(io::Error::other)?;
        let mut chunk = vec![0; wanted];
        // A file that has become shorter breaks the connection, so that nobody takes it for whole.
        file.read_exact(&mut chunk).await?;
        let left = left.saturating_sub(left.min(CHUNK));
        Ok(Some((Bytes::from(chunk), (file, left, permit))))
    }))
}

/// What changes when the file does.
fn tag(metadata: &Metadata) -> String {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("\"{:x}-{:x}\"", metadata.len(), changed.unwrap_or_default().as_nanos())
}

/// Reads `Range`. What is not understood, and several parts at once, is answered with the whole file.
fn part(range: &str, length: u64) -> Part {
    let Some(range) = range.trim().strip_prefix("bytes=") else { return Part::Whole };
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    let (first, last) = (first.trim(), last.trim());
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    match (number(first), number(last)) {
        // The last so many bytes.
        (_, Some(count)) if first.is_empty() => {
            if count == 0 || length == 0 {
                return Part::Beyond;
            }
            Part::Bytes(length.saturating_sub(count), length - 1)
        }
        (Some(first), _) if last.is_empty() => {
            if first < length {
                Part::Bytes(first, length - 1)
            } else {
                Part::Beyond
            }
        }
        (Some(first), Some(last)) if first <= last => {
            if first < length {
                Part::Bytes(first, last.min(length - 1))
            } else {
                Part::Beyond
            }
        }
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_standard_says() {
        for (range, expected) in [
            ("bytes=0-9", Part::Bytes(0, 9)),
            ("bytes=90-", Part::Bytes(90, 99)),
            ("bytes=90-1000", Part::Bytes(90, 99)),
            ("bytes=-10", Part::Bytes(90, 99)),
            ("bytes=-1000", Part::Bytes(0, 99)),
            ("bytes=100-", Part::Beyond),
            ("bytes=100-200", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=9-0", Part::Whole),
            ("bytes=0-9,20-29", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=99999999999999999999-", Part::Whole),
            ("lines=0-9", Part::Whole),
        ] {
            assert_eq!(part(range, 100), expected, "{range}");
        }
    }

    #[test]
    fn an_empty_file_has_no_parts() {
        for range in ["bytes=0-", "bytes=0-9", "bytes=-1"] {
            assert_eq!(part(range, 0), Part::Beyond, "{range}");
        }
    }
}
