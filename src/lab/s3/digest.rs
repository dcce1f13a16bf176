//! What S3 computes of bytes: the ETag, and the checksums that clients send along.

use md5::{Digest, Md5};

use crate::names::hex;

/// The reversed polynomial of CRC-32, as in Ethernet and zip.
const POLYNOMIAL: u32 = 0xEDB8_8320;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The ETag of an object that was put in one piece: its MD5 in hexadecimal, in quotes.
pub(crate) fn etag(bytes: &[u8]) -> String {
    format!("\"{}\"", hex(&Md5::digest(bytes)))
}

/// The MD5 as the `content-md5` header tells it.
pub(crate) fn md5(bytes: &[u8]) -> String {
    base64(&Md5::digest(bytes))
}

/// The CRC-32 as the `x-amz-checksum-crc32` header tells it.
pub(crate) fn crc32(bytes: &[u8]) -> String {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    let sum = bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step));
    base64(&(!sum).to_be_bytes())
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place > three.len() { '=' } else { char::from(ALPHABET[digit]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_books() {
        assert_eq!(etag(b""), "\"d41d8cd98f00b204e9800998ecf8427e\"");
        assert_eq!(etag(b"abc"), "\"900150983cd24fb0d6963f7d28e17f72\"");
        assert_eq!(md5(b"abc"), "kAFQmDzST7DWlj99KOF/cg==");
        // CBF43926 is the check value of CRC-32.
        assert_eq!(crc32(b"123456789"), "y/Q5Jg==");
        assert_eq!(crc32(b""), "AAAAAA==");
    }

    #[test]
    fn base64_fills_up_to_four() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
