//! What Go's JSON decoder would say about malformed JSON. Only used once decoding has failed.

use std::iter::Peekable;

/// Why the text is no JSON in Go's words; `None` if it is well-formed.
pub(crate) fn syntax_error(bytes: &[u8]) -> Option<String> {
    let mut scanner = Scanner { bytes: bytes.iter().copied().peekable() };
    scanner.document().err()
}

const END: &str = "unexpected end of JSON input";

struct Scanner<I: Iterator<Item = u8>> {
    bytes: Peekable<I>,
}

fn quote(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        0x20..=0x7e => format!("'{}'", byte as char),
        0x00..=0x1f | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", byte as char),
    }
}

fn invalid<T>(byte: u8, context: &str) -> Result<T, String> {
    Err(format!("invalid character {} {context}", quote(byte)))
}

/// What a container waits for.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Object,
    Array,
}

impl<I: Iterator<Item = u8>> Scanner<I> {
    fn space(&mut self) {
        while matches!(self.bytes.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.bytes.next();
        }
    }

    fn next_solid(&mut self) -> Result<u8, String> {
        self.space();
        self.bytes.next().ok_or_else(|| END.to_owned())
    }

    fn document(&mut self) -> Result<(), String> {
        let mut stack: Vec<Open> = Vec::new();
        let mut byte = self.next_solid()?;
        loop {
            // A value starts with `byte`.
            match byte {
                b'{' => {
                    let first = self.next_solid()?;
                    if first != b'}' {
                        self.key(first)?;
                        stack.push(Open::Object);
                        byte = self.next_solid()?;
                        continue;
                    }
                }
                b'[' => {
                    let first = self.next_solid()?;
                    if first != b']' {
                        stack.push(Open::Array);
                        byte = first;
                        continue;
                    }
                }
                _ => self.scalar(byte)?,
            }
            // A value has ended: close what ends with it.
            loop {
                let Some(open) = stack.last().copied() else {
                    self.space();
                    return match self.bytes.next() {
                        None => Ok(()),
                        Some(extra) => invalid(extra, "after top-level value"),
                    };
                };
                let next = self.next_solid()?;
                match (open, next) {
                    (Open::Object, b'}') | (Open::Array, b']') => {
                        stack.pop();
                    }
                    (Open::Object, b',') => {
                        let first = self.next_solid()?;
                        self.key(first)?;
                        byte = self.next_solid()?;
                        break;
                    }
                    (Open::Array, b',') => {
                        byte = self.next_solid()?;
                        break;
                    }
                    (Open::Object, other) => return invalid(other, "after object key:value pair"),
                    (Open::Array, other) => return invalid(other, "after array element"),
                }
            }
        }
    }

    fn key(&mut self, first: u8) -> Result<(), String> {
        if first != b'"' {
            return invalid(first, "looking for beginning of object key string");
        }
        self.string()?;
        match self.next_solid()? {
            b':' => Ok(()),
            other => invalid(other, "after object key"),
        }
    }

    fn string(&mut self) -> Result<(), String> {
        loop {
            match self.bytes.next() {
                None => return Err(END.to_owned()),
                Some(b'"') => return Ok(()),
                Some(b'\\') => match self.bytes.next() {
                    None => return Err(END.to_owned()),
                    Some(b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {}
                    Some(b'u') => {
                        for _ in 0..4 {
                            match self.bytes.next() {
                                None => return Err(END.to_owned()),
                                Some(hex) if hex.is_ascii_hexdigit() => {}
                                Some(other) => return invalid(other, "in \\u hexadecimal character escape"),
                            }
                        }
                    }
                    Some(other) => return invalid(other, "in string escape code"),
                },
                Some(control) if control < 0x20 => return invalid(control, "in string literal"),
                Some(_) => {}
            }
        }
    }

    fn digits(&mut self) {
        while self.bytes.peek().is_some_and(u8::is_ascii_digit) {
            self.bytes.next();
        }
    }

    fn digit(&mut self, context: &str) -> Result<(), String> {
        match self.bytes.next() {
            None => Err(END.to_owned()),
            Some(d) if d.is_ascii_digit() => Ok(()),
            Some(other) => invalid(other, context),
        }
    }

    fn scalar(&mut self, first: u8) -> Result<(), String> {
        match first {
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => {
                let mut lead = first;
                if first == b'-' {
                    match self.bytes.next() {
                        None => return Err(END.to_owned()),
                        Some(d) if d.is_ascii_digit() => lead = d,
                        Some(other) => return invalid(other, "in numeric literal"),
                    }
                }
                if lead != b'0' {
                    self.digits();
                }
                if self.bytes.next_if_eq(&b'.').is_some() {
                    self.digit("after decimal point in numeric literal")?;
                    self.digits();
                }
                if self.bytes.next_if(|b| matches!(b, b'e' | b'E')).is_some() {
                    self.bytes.next_if(|b| matches!(b, b'+' | b'-'));
                    self.digit("in exponent of numeric literal")?;
                    self.digits();
                }
                Ok(())
            }
            other => invalid(other, "looking for beginning of value"),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes().skip(1) {
            match self.bytes.next() {
                None => return Err(END.to_owned()),
                Some(byte) if byte == expected => {}
                Some(other) => {
                    return invalid(other, &format!("in literal {word} (expecting '{}')", expected as char));
                }
            }
        }
        Ok(())
    }
}
