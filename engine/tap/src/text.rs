//! Owns: reading numbers, quoted strings, symbolic flags and time stamps out of strace's text. Absent: meaning.

use memchr::memmem;

/// Reads the arguments of one call from the left.
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Start at the first argument.
    pub fn new(arguments: &'a [u8]) -> Self {
        Self { rest: arguments }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next argument up to a comma, without the separator. Not for strings or structures.
    pub fn word(&mut self) -> &'a [u8] {
        let end = memchr::memchr(b',', self.rest).unwrap_or(self.rest.len());
        let word = self.rest[..end].trim_ascii();
        self.skip(end);
        word
    }

    /// The next argument as a number.
    pub fn int(&mut self) -> Option<i64> {
        int(self.word())
    }

    /// The next argument as a quoted string, unescaped into `out`. False (and nothing consumed but the
    /// argument) when it is a pointer or NULL instead.
    pub fn string(&mut self, out: &mut Vec<u8>) -> bool {
        out.clear();
        self.rest = self.rest.trim_ascii_start();
        if self.rest.first() != Some(&b'"') {
            self.word();
            return false;
        }
        let used = unescape(&self.rest[1..], out) + 1;
        self.rest = &self.rest[used.min(self.rest.len())..];
        let comma = memchr::memchr(b',', self.rest).unwrap_or(self.rest.len());
        self.skip(comma);
        true
    }

    fn skip(&mut self, end: usize) {
        self.rest = &self.rest[(end + 1).min(self.rest.len())..];
    }
}

/// Undo C escapes up to the closing quote; returns the bytes used, the quote included.
///
/// strace writes `\n`-like letters, `\"`, `\\` and octal numbers of one to three digits.
fn unescape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    while at < text.len() {
        let Some(stop) = memchr::memchr2(b'"', b'\\', &text[at..]) else {
            out.extend_from_slice(&text[at..]);
            return text.len();
        };
        out.extend_from_slice(&text[at..at + stop]);
        at += stop + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at += escaped(&text[at..], out);
    }
    at
}

fn escaped(text: &[u8], out: &mut Vec<u8>) -> usize {
    let Some(&first) = text.first() else { return 0 };
    if !(b'0'..=b'7').contains(&first) {
        out.push(match first {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'v' => 0x0b,
            b'f' => 0x0c,
            other => other,
        });
        return 1;
    }
    let digits = text
        .iter()
        .take(3)
        .take_while(|c| (b'0'..=b'7').contains(c))
        .count();
    let value = text[..digits]
        .iter()
        .fold(0u32, |v, c| v * 8 + u32::from(c - b'0'));
    out.push(value as u8);
    digits
}

/// A number in decimal, hexadecimal (`0x`) or octal (leading `0`) as strace prints it; what follows is ignored.
pub fn int(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (negative, text) = match text.first() {
        Some(b'-') => (true, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match text {
        [b'0', b'x', rest @ ..] => (16, rest),
        [b'0', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => (8, rest),
        _ => (10, text),
    };
    let mut value: i64 = 0;
    let mut seen = false;
    for &c in digits {
        let Some(digit) = (c as char).to_digit(radix) else {
            break;
        };
        value = value
            .wrapping_mul(i64::from(radix))
            .wrapping_add(i64::from(digit));
        seen = true;
    }
    seen.then_some(if negative { -value } else { value })
}

/// Split off the last argument, as in `buffer, 832` -> (`buffer`, `832`).
pub fn split_last(arguments: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b',', arguments) {
        Some(at) => (&arguments[..at], arguments[at + 1..].trim_ascii()),
        None => (&[], arguments.trim_ascii()),
    }
}

/// Seconds with a fraction of any precision as nanoseconds; returns the bytes used too.
pub fn seconds(text: &[u8]) -> Option<(i64, usize)> {
    let mut at = 0;
    let mut whole: i64 = 0;
    while let Some(c) = text.get(at).filter(|c| c.is_ascii_digit()) {
        whole = whole.wrapping_mul(10) + i64::from(c - b'0');
        at += 1;
    }
    if at == 0 {
        return None;
    }
    let mut fraction: i64 = 0;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let mut scale: i64 = 1_000_000_000;
        while let Some(c) = text.get(at).filter(|c| c.is_ascii_digit()) {
            scale /= 10;
            fraction += i64::from(c - b'0') * scale;
            at += 1;
        }
    }
    Some((whole.wrapping_mul(1_000_000_000).wrapping_add(fraction), at))
}

/// The number after `key` (as `st_size=`), if the text has it.
pub fn field(text: &[u8], key: &[u8]) -> Option<i64> {
    memmem::find(text, key).and_then(|at| int(&text[at + key.len()..]))
}

/// The word after `key` up to a delimiter, if the text has it.
pub fn field_word<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = memmem::find(text, key)? + key.len();
    let rest = &text[at..];
    let end = rest
        .iter()
        .position(|c| matches!(c, b',' | b'}' | b')' | b' '))
        .unwrap_or(rest.len());
    Some(&rest[..end])
}

/// Does a list such as `CLONE_VM|CLONE_FILES` hold this flag?
pub fn has_flag(flags: &[u8], name: &[u8]) -> bool {
    flags.split(|&c| c == b'|').any(|flag| flag == name)
}

/// Open flags as the kernel counts them on x86-64 and arm64's generic layout, from their names.
pub fn open_flags(text: &[u8]) -> u32 {
    text.split(|&c| c == b'|').fold(0, |all, flag| {
        all | match flag {
            b"O_RDONLY" => 0,
            b"O_WRONLY" => 0o1,
            b"O_RDWR" => 0o2,
            b"O_CREAT" => 0o100,
            b"O_EXCL" => 0o200,
            b"O_NOCTTY" => 0o400,
            b"O_TRUNC" => 0o1000,
            b"O_APPEND" => 0o2000,
            b"O_NONBLOCK" => 0o4000,
            b"O_DSYNC" => 0o10000,
            b"O_DIRECT" => 0o40000,
            b"O_LARGEFILE" => 0o100_000,
            b"O_DIRECTORY" => 0o200_000,
            b"O_NOFOLLOW" => 0o400_000,
            b"O_NOATIME" => 0o1_000_000,
            b"O_CLOEXEC" => 0o2_000_000,
            b"O_SYNC" => 0o4_010_000,
            b"O_PATH" => 0o10_000_000,
            b"O_TMPFILE" => 0o20_200_000,
            other => int(other).unwrap_or(0) as u32,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(Cursor::new(text).string(&mut out));
        out
    }

    #[test]
    fn strings_keep_every_byte() {
        assert_eq!(unescaped(br#""a\nb\"\\\377", O_RDONLY"#), b"a\nb\"\\\xff");
        assert_eq!(unescaped(br#""\1x\0011""#), b"\x01x\x011");
        assert_eq!(unescaped(br#""a, b) = 3 <0.1>""#), b"a, b) = 3 <0.1>");
        assert_eq!(unescaped(br#""torn\37"#), b"torn\x1f");
    }

    #[test]
    fn numbers_in_three_radices() {
        assert_eq!(int(b"0x1f"), Some(31));
        assert_eq!(int(b"0644"), Some(0o644));
        assert_eq!(int(b"0"), Some(0));
        assert_eq!(int(b"-1 ENOENT"), Some(-1));
        assert_eq!(int(b"?"), None);
    }

    #[test]
    fn seconds_of_any_precision() {
        assert_eq!(seconds(b"1.5 x"), Some((1_500_000_000, 3)));
        assert_eq!(
            seconds(b"1795417665.487142"),
            Some((1_795_417_665_487_142_000, 17))
        );
        assert_eq!(seconds(b"0.000053450>"), Some((53_450, 11)));
        assert_eq!(seconds(b"x"), None);
    }
}
