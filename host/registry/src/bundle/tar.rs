//! The little of tar that a layout needs: plain files with short names. Everything else that a tar can hold is refused
//! by name, and nothing is unpacked.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

use crate::{Digest, limits, printable};

const BLOCK: usize = 512;

/// Where a file lies in a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of its first byte.
    pub offset: u64,
    /// In bytes.
    pub size: u64,
}

/// The places of the files in a tar, all of whose headers are read and checked.
///
/// # Errors
/// What is in it that a layout has not: other names, links, devices, extensions, a file twice, sizes beyond its end.
pub fn places(tar: &mut (impl Read + Seek)) -> Result<BTreeMap<String, Place>, String> {
    let failed = |error: io::Error| format!("it cannot be read: {error}");
    let length = tar.seek(SeekFrom::End(0)).map_err(failed)?;
    if length > limits::BUNDLE {
        return Err(format!("it has {length} bytes; at most {} are allowed", limits::BUNDLE));
    }
    let mut places = BTreeMap::new();
    let (mut at, mut count) = (0, 0);
    loop {
        let mut header = [0; BLOCK];
        if at + BLOCK as u64 > length {
            return Err("it ends too early: it is no tar, or not all of one".to_owned());
        }
        tar.seek(SeekFrom::Start(at)).and_then(|_| tar.read_exact(&mut header)).map_err(failed)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(places);
        }
        count += 1;
        if count > limits::TAR_ENTRIES {
            return Err(format!("it has more than {} entries", limits::TAR_ENTRIES));
        }
        let (name, size) = entry(&header)?;
        let offset = at + BLOCK as u64;
        let end = offset.checked_add(size.next_multiple_of(BLOCK as u64)).filter(|end| *end <= length);
        at = end.ok_or_else(|| format!("its entry `{name}` has {size} bytes by its header, beyond the end"))?;
        match header[156] {
            b'5' if size == 0 && is_folder(&name) => {}
            0 | b'0' if is_file(&name) => {
                if places.insert(name.clone(), Place { offset, size }).is_some() {
                    return Err(format!("it has `{name}` twice"));
                }
            }
            0 | b'0' | b'5' => return Err(format!("its entry `{name}` is none of a bundle's files")),
            kind => {
                let kind = printable(&char::from(kind).to_string(), 9);
                return Err(format!("its entry `{name}` is no plain file, but of the kind `{kind}`"));
            }
        }
    }
}

/// Name and size by a header, whose checksum is right.
fn entry(header: &[u8; BLOCK]) -> Result<(String, u64), String> {
    let text = |from: usize, to: usize| {
        let field = &header[from..to];
        &field[..field.iter().position(|byte| *byte == 0).unwrap_or(field.len())]
    };
    let octal = |from: usize, to: usize| {
        let digits = std::str::from_utf8(text(from, to)).ok()?.trim();
        // Digits alone: the parser of numbers takes a sign, too.
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        u64::from_str_radix(digits, 8).ok().filter(|_| is_plain)
    };
    if octal(148, 156) != Some(checksum(header)) {
        return Err("it is no tar, or damaged: a header has another checksum".to_owned());
    }
    let name = printable(&String::from_utf8_lossy(text(0, 100)), 120);
    if !text(345, 500).is_empty() && &header[257..262] == b"ustar" {
        return Err(format!("its entry `{name}` has a longer name than any of a bundle's files"));
    }
    let size = octal(124, 136).ok_or_else(|| format!("its entry `{name}` has no size that can be read"))?;
    Ok((name, size))
}

/// The sum of a header's bytes, its own place counted as spaces.
fn checksum(header: &[u8; BLOCK]) -> u64 {
    let place = 148..156;
    header.iter().enumerate().map(|(at, byte)| u64::from(if place.contains(&at) { b' ' } else { *byte })).sum()
}

fn is_file(name: &str) -> bool {
    let hex = name.strip_prefix("blobs/sha256/");
    matches!(name, "oci-layout" | "index.json")
        || hex.is_some_and(|hex| format!("sha256:{hex}").parse::<Digest>().is_ok())
}

fn is_folder(name: &str) -> bool {
    matches!(name.trim_end_matches('/'), "." | "blobs" | "blobs/sha256")
}

/// Writes a file to a tar.
pub fn write(tar: &mut impl Write, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    // The longest is that of a blob: 77 bytes of 100.
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", bytes.len()));
    put(136, "00000000000\0");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum = checksum(&header);
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.write_all(&header)?;
    tar.write_all(bytes)?;
    tar.write_all(&vec![0; bytes.len().next_multiple_of(BLOCK) - bytes.len()])
}

/// Writes a tar's end.
pub fn finish(tar: &mut impl Write) -> io::Result<()> {
    tar.write_all(&[0; 2 * BLOCK])
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = vec![];
        for (name, bytes) in entries {
            write(&mut tar, name, bytes).unwrap();
        }
        finish(&mut tar).unwrap();
        tar
    }

    /// A header changed, with its checksum made right again.
    fn changed(tar: &[u8], at: usize, text: &[u8]) -> Vec<u8> {
        let mut tar = tar.to_vec();
        tar[at..at + text.len()].copy_from_slice(text);
        let sum = checksum(tar[..BLOCK].try_into().unwrap());
        tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        tar
    }

    fn problem(tar: Vec<u8>) -> String {
        places(&mut Cursor::new(tar)).unwrap_err()
    }

    #[test]
    fn files_lie_where_their_headers_say() {
        let blob = format!("blobs/sha256/{}", Digest::of(b"x").hex());
        let found = places(&mut Cursor::new(tar(&[("oci-layout", b"{}"), (&blob, &[7; 600]), ("index.json", b"")])));
        let place = |offset, size| Place { offset, size };
        let expected =
            [("oci-layout", place(512, 2)), (blob.as_str(), place(1536, 600)), ("index.json", place(3072, 0))];
        assert_eq!(found.unwrap(), expected.map(|(name, place)| (name.to_owned(), place)).into());
    }

    #[test]
    fn what_a_layout_has_not_is_refused() {
        let good = tar(&[("index.json", b"{}")]);
        for name in
            ["../index.json", "/etc/passwd", "blobs/sha256/../../x", "blobs/sha256/ABC", "other", "./index.json"]
        {
            assert!(problem(tar(&[(name, b"")])).contains("is none of a bundle's files"), "{name}");
        }
        // Hard link, symbolic link, device, pipe, GNU's sparse file and long name, pax.
        for kind in b"123467SLKxg" {
            assert!(problem(changed(&good, 156, &[*kind])).contains("is no plain file"), "{kind}");
        }
        // A folder of a file's name, with bytes of its own.
        assert!(problem(changed(&good, 156, b"5")).contains("is none of a bundle's files"));
        assert!(problem(tar(&[("index.json", b""), ("index.json", b"")])).contains("it has `index.json` twice"));
        // More by the header than there is; in GNU's other number; and no number.
        assert!(problem(changed(&good, 124, b"777777777777")).contains("bytes by its header, beyond the end"));
        assert!(problem(changed(&good, 124, b"+0000000002\0")).contains("has no size that can be read"));
        assert!(problem(changed(&good, 124, b"77777777777\0")).contains("bytes by its header, beyond the end"));
        assert!(problem(changed(&good, 124, b"\x80\0\0\0\0\0\0\0\x01\0\0\0")).contains("has no size"));
        assert!(problem(changed(&good, 345, b"prefix")).contains("has a longer name"));
        assert!(problem(good[..700].to_vec()).contains("beyond the end"));
        assert!(problem(good[..1024].to_vec()).contains("it ends too early"));
        assert!(problem([7; 1024].to_vec()).contains("it is no tar, or damaged"));
        let blobs =
            (0..=limits::TAR_ENTRIES).map(|number| format!("blobs/sha256/{}", Digest::of(&number.to_le_bytes()).hex()));
        let blobs: Vec<String> = blobs.collect();
        let many: Vec<(&str, &[u8])> = blobs.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert!(problem(tar(&many)).contains("it has more than 1024 entries"));
    }
}
