//! From bytes to text: UTF-8, a BOM, the encodings that PEP 263 comments declare; and back.
//!
//! Invariant: what Python would refuse to read is refused, with the place; nothing is replaced
//! silently. [`Encoding::encode`] gives back exactly the bytes that an unchanged text came from,
//! or nothing.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use encoding_rs::{DecoderResult, Encoding as Codec};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A text and how it was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub encoding: Encoding,
}

/// Bytes that are no text of their encoding.
#[derive(Debug, PartialEq, Eq)]
pub struct NotText {
    /// The bytes with U+FFFD for what can't be read, so that the place can be shown.
    pub lossy: String,
    /// Where in `lossy` it goes wrong.
    pub offset: usize,
    pub message: String,
}

/// How a text is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8 { bom: bool },
    Latin1,
    Other(&'static Codec),
}

/// Reads a file into a buffer that is used again.
pub fn file<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    let mut file = File::open(path)?;
    // What the buffer holds from earlier files is written over: to clear it for every file would
    // cost more than to read most of them.
    if buffer.is_empty() {
        buffer.resize(64 * 1024, 0);
    }
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize(2 * length, 0);
        }
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&buffer[..length])
}

/// Decodes the bytes of a Python file.
pub fn python(bytes: &[u8]) -> Result<Text, NotText> {
    let (bom, content) = match bytes.strip_prefix(BOM) {
        Some(content) => (true, content),
        None => (false, bytes),
    };
    let encoding = match cookie(content) {
        None => Encoding::Utf8 { bom },
        Some((at, name)) => match named(name) {
            Some(Encoding::Utf8 { .. }) => Encoding::Utf8 { bom },
            Some(_) if bom => {
                let message =
                    format!("the encoding is declared as `{name}`, but the BOM says UTF-8");
                return Err(not_text(content, at, message));
            }
            Some(other) => other,
            None => {
                let message = format!("unsupported encoding `{name}`");
                return Err(not_text(content, at, message));
            }
        },
    };
    let text = match encoding {
        Encoding::Utf8 { .. } => utf8(content)?,
        Encoding::Latin1 => encoding_rs::mem::decode_latin1(content).into_owned(),
        Encoding::Other(codec) => other(codec, content)?,
    };
    if let Some(offset) = memchr::memchr(0, text.as_bytes()) {
        return Err(NotText {
            lossy: text,
            offset,
            message: "the text contains a NUL byte".to_owned(),
        });
    }
    Ok(Text { text, encoding })
}

/// Decodes the bytes of a JSON file: UTF-8.
pub fn json(bytes: &[u8]) -> Result<Text, NotText> {
    let bom = bytes.starts_with(BOM);
    let content = if bom { &bytes[BOM.len()..] } else { bytes };
    Ok(Text {
        text: utf8(content)?,
        encoding: Encoding::Utf8 { bom },
    })
}

impl Encoding {
    /// The bytes of a text that was changed from an original; `None` where the encoding does not
    /// give back the original's own bytes.
    pub fn encode(self, text: &str, original: &str, original_bytes: &[u8]) -> Option<Vec<u8>> {
        (self.bytes(original)? == original_bytes).then_some(())?;
        self.bytes(text)
    }

    fn bytes(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Encoding::Utf8 { bom } => {
                let bom = if bom { BOM } else { b"" };
                Some([bom, text.as_bytes()].concat())
            }
            Encoding::Latin1 => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).ok())
                .collect(),
            Encoding::Other(codec) => {
                let (bytes, _, unmappable) = codec.encode(text);
                (!unmappable).then(|| bytes.into_owned())
            }
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, NotText> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let offset = error.valid_up_to();
            let byte = bytes[offset];
            let message =
                format!("the byte 0x{byte:02x} is not UTF-8, and no other encoding is declared");
            Err(not_text(bytes, offset, message))
        }
    }
}

fn not_text(bytes: &[u8], offset: usize, message: String) -> NotText {
    NotText {
        lossy: String::from_utf8_lossy(bytes).into_owned(),
        offset,
        message,
    }
}

fn other(codec: &'static Codec, bytes: &[u8]) -> Result<String, NotText> {
    let mut decoder = codec.new_decoder_without_bom_handling();
    let room = decoder
        .max_utf8_buffer_length_without_replacement(bytes.len())
        .unwrap_or(0);
    let mut text = String::with_capacity(room);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(text),
        (_, read) => {
            let byte = bytes[read.saturating_sub(1)];
            let offset = text.len();
            let (lossy, _) = codec.decode_without_bom_handling(bytes);
            let name = codec.name();
            Err(NotText {
                offset: lossy.floor_char_boundary(offset),
                lossy: lossy.into_owned(),
                message: format!("the byte 0x{byte:02x} is not {name}, the declared encoding"),
            })
        }
    }
}

/// The encoding that a comment on the first two lines declares, and where its name stands.
///
/// PEP 263: `^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)`, on the second line only where the
/// first one has no code.
fn cookie(bytes: &[u8]) -> Option<(usize, &str)> {
    let mut start = 0;
    for _ in 0..2 {
        let rest = &bytes[start..];
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        let blank = line
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0c'))
            .count();
        match line.get(blank) {
            None => {}
            Some(b'#') => {
                if let Some((at, name)) = cookie_in(line) {
                    return Some((start + at, name));
                }
            }
            Some(_) => return None,
        }
        let end = &rest[length..];
        start += length
            + if end.starts_with(b"\r\n") {
                2
            } else {
                end.len().min(1)
            };
    }
    None
}

fn cookie_in(comment: &[u8]) -> Option<(usize, &str)> {
    for at in memchr::memmem::find_iter(comment, b"coding") {
        let mut name = at + b"coding".len();
        if !matches!(comment.get(name), Some(b':' | b'=')) {
            continue;
        }
        name += 1;
        let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        name += comment[name..].iter().take_while(is_blank).count();
        let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let length = comment[name..].iter().take_while(is_name).count();
        if length > 0 {
            return Some((
                name,
                std::str::from_utf8(&comment[name..name + length]).ok()?,
            ));
        }
    }
    None
}

/// The encoding with a name as Python knows it.
fn named(name: &str) -> Option<Encoding> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    // Editors append their line ends: `utf-8-unix`.
    let is = |known: &str| {
        name == known
            || name
                .strip_prefix(known)
                .is_some_and(|rest| rest.starts_with('-'))
    };
    if is("utf-8") || name == "utf8" || name == "u8" {
        return Some(Encoding::Utf8 { bom: false });
    }
    if ["latin-1", "iso-8859-1", "iso-latin-1"].into_iter().any(is)
        || ["latin1", "iso8859-1", "l1", "8859", "cp819"].contains(&name.as_str())
    {
        return Some(Encoding::Latin1);
    }
    if ["ascii", "us-ascii", "646"].contains(&name.as_str()) {
        return Some(Encoding::Utf8 { bom: false });
    }
    let label = match name.as_str() {
        "mac-roman" | "macroman" => "macintosh",
        "euc-jp" | "eucjp" | "ujis" => "euc-jp",
        "cp932" | "ms932" | "mskanji" | "s-jis" => "shift_jis",
        "cp936" | "936" => "gbk",
        "cp949" | "949" | "uhc" => "euc-kr",
        "cp950" | "950" => "big5",
        "cp866" | "866" => "ibm866",
        other => other,
    };
    let codec = Codec::for_label(label.as_bytes())?;
    // The words that the prefilter looks for, and the cookie itself, have to be ASCII.
    (codec.is_ascii_compatible() && codec != encoding_rs::REPLACEMENT).then(|| {
        if codec == encoding_rs::UTF_8 {
            Encoding::Utf8 { bom: false }
        } else {
            Encoding::Other(codec)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_serves_files_of_all_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let mut buffer = Vec::new();
        for size in [10, 200_000, 0, 65_536, 1] {
            let path = folder.path().join("a");
            std::fs::write(&path, vec![b'x'; size]).unwrap();
            assert_eq!(file(&path, &mut buffer).unwrap(), vec![b'x'; size]);
        }
    }

    #[test]
    fn declared_encodings_are_decoded_and_written_back() {
        let table: &[(&[u8], &str)] = &[
            (b"x = 1\n", "x = 1\n"),
            (b"", ""),
            (b"\xef\xbb\xbfx = 1", "x = 1"),
            (b"\xef\xbb\xbf# coding: utf-8\n", "# coding: utf-8\n"),
            (
                b"# -*- coding: latin-1 -*-\n'\xe9\x80'",
                "# -*- coding: latin-1 -*-\n'\u{e9}\u{80}'",
            ),
            (
                b"#!/usr/bin/python\r\n# vim: set fileencoding=cp1252 :\r\n'\x80'",
                "#!/usr/bin/python\r\n# vim: set fileencoding=cp1252 :\r\n'\u{20ac}'",
            ),
            (
                b"# coding: shift_jis\n'\x83\x65'",
                "# coding: shift_jis\n'\u{30c6}'",
            ),
            (b"# coding=koi8_r\n'\xc1'", "# coding=koi8_r\n'\u{430}'"),
            (
                b"# coding: utf-8-unix\n'\xc3\xa9'",
                "# coding: utf-8-unix\n'\u{e9}'",
            ),
            (
                b"\n# coding: latin1\n'\xe9'",
                "\n# coding: latin1\n'\u{e9}'",
            ),
        ];
        for (bytes, expected) in table {
            let decoded = python(bytes).unwrap();
            assert_eq!(decoded.text, *expected);
            let back = decoded.encoding.encode(&decoded.text, &decoded.text, bytes);
            assert_eq!(back.as_deref(), Some(*bytes), "{expected}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused_with_its_place() {
        let table: &[(&[u8], usize, &str)] = &[
            (
                b"x = '\xe9'\n",
                5,
                "the byte 0xe9 is not UTF-8, and no other encoding is declared",
            ),
            (
                b"x = 1\n# coding: latin-1\n'\xe9'",
                25,
                "the byte 0xe9 is not UTF-8, and no other encoding is declared",
            ),
            (
                b"\n\n# coding: latin-1\n'\xe9'",
                21,
                "the byte 0xe9 is not UTF-8, and no other encoding is declared",
            ),
            (b"# coding: utf-16\n", 10, "unsupported encoding `utf-16`"),
            (b"# coding: klingon\n", 10, "unsupported encoding `klingon`"),
            (
                b"\xef\xbb\xbf# coding: latin-1\n",
                10,
                "the encoding is declared as `latin-1`, but the BOM says UTF-8",
            ),
            (
                b"# coding: euc-jp\n'\xff'",
                18,
                "the byte 0xff is not EUC-JP, the declared encoding",
            ),
            (b"x\x00y", 1, "the text contains a NUL byte"),
        ];
        for (bytes, offset, message) in table {
            let error = python(bytes).unwrap_err();
            assert_eq!((error.offset, error.message.as_str()), (*offset, *message));
            assert!(error.lossy.is_char_boundary(error.offset));
        }
    }

    #[test]
    fn an_encoding_that_changes_other_text_is_not_written() {
        let encoding = Encoding::Other(encoding_rs::SHIFT_JIS);
        assert_eq!(encoding.encode("ab", "a", b"not a"), None);
        assert_eq!(Encoding::Latin1.encode("\u{20ac}", "", b""), None);
    }
}
