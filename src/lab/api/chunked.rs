//! The payload of a REST request: taken out of `aws-chunked`, and held against the checksum that came along.

use hyper::body::Bytes;
use hyper::http::HeaderMap;

use super::operation::Refusal;
use crate::s3::digest;

/// The payload of a request as it is to be kept.
///
/// CRC-32 and MD5 are verified, whether they come as a header or as a trailer; other checksums are believed.
pub(super) fn payload(headers: &HeaderMap, body: &Bytes) -> Result<Bytes, Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let says_chunked = |name: &str, word: &str| header(name).is_some_and(|value| value.contains(word));
    let is_chunked =
        says_chunked("content-encoding", "aws-chunked") || says_chunked("x-amz-content-sha256", "STREAMING-");
    let (payload, trailers) =
        if is_chunked { unwrap(body).ok_or_else(incomplete)? } else { (body.clone(), Vec::new()) };
    let declared = header("x-amz-decoded-content-length").and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length != payload.len()) {
        return Err(incomplete());
    }
    let trailer = |name: &str| trailers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let crc = header("x-amz-checksum-crc32").or_else(|| trailer("x-amz-checksum-crc32"));
    if crc.is_some_and(|crc| crc != digest::crc32(&payload)) {
        return Err(Refusal::new("BadDigest", "The CRC32 you specified did not match the calculated checksum."));
    }
    if header("content-md5").is_some_and(|md5| md5 != digest::md5(&payload)) {
        return Err(Refusal::new("BadDigest", "The Content-MD5 you specified did not match what we received."));
    }
    Ok(payload)
}

fn incomplete() -> Refusal {
    let message = "The request body terminated unexpectedly or is not a sequence of chunks";
    Refusal::new("IncompleteBody", message)
}

/// The content of all chunks, and the trailers by lower-case name.
fn unwrap(body: &Bytes) -> Option<(Bytes, Vec<(String, String)>)> {
    let mut content = Vec::with_capacity(body.len());
    let mut rest: &[u8] = body;
    loop {
        let (line, after) = line(rest)?;
        // A signature may follow the length.
        let length = line.split(';').next()?.trim();
        let length = usize::from_str_radix(length, 16).ok()?;
        rest = after;
        if length == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length..)?.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Vec::new();
    while let Some((line, after)) = line(rest) {
        rest = after;
        let Some((name, value)) = line.split_once(':') else { continue };
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some((content.into(), trailers))
}

/// The first line and what follows it.
fn line(of: &[u8]) -> Option<(&str, &[u8])> {
    let end = of.windows(2).position(|pair| pair == b"\r\n")?;
    Some((std::str::from_utf8(&of[..end]).ok()?, &of[end + 2..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &str)], body: &'static str) -> Result<Bytes, &'static str> {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = name.parse::<hyper::http::HeaderName>().expect("it is a name");
            (name, value.parse().expect("it is a value"))
        });
        payload(&pairs.collect(), &Bytes::from_static(body.as_bytes())).map_err(|refusal| refusal.code)
    }

    const CHUNKED: (&str, &str) = ("content-encoding", "aws-chunked");

    #[test]
    fn chunks_become_the_content_and_their_trailer_is_held_against_it() {
        let body = "4;chunk-signature=ab\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        let length = ("x-amz-decoded-content-length", "9");
        assert_eq!(read(&[CHUNKED, length], body), Ok(Bytes::from_static(b"123456789")));
        let streaming = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        assert_eq!(read(&[streaming], body), Ok(Bytes::from_static(b"123456789")));
        let other = "4\r\n1234\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n";
        assert_eq!(read(&[CHUNKED], other), Err("BadDigest"));
        assert_eq!(read(&[CHUNKED, length], "0\r\n\r\n"), Err("IncompleteBody"));
    }

    #[test]
    fn broken_chunks_are_refused() {
        for body in ["", "x\r\n", "4\r\n12", "4\r\n1234", "ffffffffffffffffffff\r\n"] {
            assert_eq!(read(&[CHUNKED], body), Err("IncompleteBody"), "{body}");
        }
    }

    #[test]
    fn checksums_in_headers_are_held_against_the_content() {
        assert!(read(&[("x-amz-checksum-crc32", "y/Q5Jg==")], "123456789").is_ok());
        assert_eq!(read(&[("x-amz-checksum-crc32", "y/Q5Jg==")], "12345678"), Err("BadDigest"));
        assert!(read(&[("content-md5", "kAFQmDzST7DWlj99KOF/cg==")], "abc").is_ok());
        assert_eq!(read(&[("content-md5", "kAFQmDzST7DWlj99KOF/cg==")], "abd"), Err("BadDigest"));
    }
}
