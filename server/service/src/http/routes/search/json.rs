//! Parser for JSON with known keys. It does not recurse, and its errors name the key.
//!
//! `serde_json` decodes strings and numbers; its own error messages would not help a client.

use crate::http::error::ApiError;

/// Maximum number of a client's characters in an error.
const QUOTED: usize = 40;

/// A parsed value. Of lists and objects only the kind is known.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Flag,
    Number(f64),
    Text(String),
    List,
    Object,
}

impl Value {
    /// Kind of the value, for errors.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }
}

/// A position in a JSON text.
pub(super) struct Json<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Json<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes: bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes),
            at: 0,
        }
    }

    /// Parses an object whose keys are among `keys` and occur at most once. `read` parses each value. Errors call the object
    /// `name`.
    pub(super) fn object(
        &mut self,
        name: &str,
        keys: &[&'static str],
        mut read: impl FnMut(&mut Self, &'static str) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let expected = || format!("an object with the keys {}", keys.join(", "));
        if self.peek() != Some(b'{') {
            let found = self.value(name)?;
            return Err(ApiError::field(
                name,
                format!("it is {}; send {}", found.kind(), expected()),
            ));
        }
        self.at += 1;
        let mut seen = Vec::new();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.invalid(name, "a key in quotes is missing"));
            }
            let key = self.string(name)?;
            let Some(key) = keys.iter().find(|known| **known == key) else {
                return Err(ApiError::field(
                    name,
                    format!("it has no key `{}`; send {}", short(&key), expected()),
                ));
            };
            if seen.contains(key) {
                return Err(ApiError::field(name, format!("the key `{key}` occurs twice")));
            }
            seen.push(*key);
            if !self.take(b':') {
                return Err(self.invalid(name, &format!("a colon is missing behind `{key}`")));
            }
            read(self, key)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.invalid(name, &format!("a comma or the end is missing behind `{key}`")));
            }
        }
    }

    /// Parses a list of at most `most` finite 32-bit floats.
    ///
    /// # Errors
    /// [`ApiError::UnreadableEmbedding`] for other JSON, and for words such as `NaN` instead of a number.
    pub(super) fn numbers(&mut self, name: &str, most: usize) -> Result<Vec<f32>, ApiError> {
        let refused = |reason: String| ApiError::UnreadableEmbedding(format!("`{name}` {reason}"));
        if self.peek() != Some(b'[') {
            let found = self.value(name)?;
            return Err(refused(format!("is {}, not a list", found.kind())));
        }
        self.at += 1;
        let mut values = Vec::new();
        if self.take(b']') {
            return Ok(values);
        }
        loop {
            if values.len() == most {
                return Err(refused(format!("has more than {most} numbers")));
            }
            let at = values.len();
            let Some(first) = self.peek() else {
                return Err(self.invalid(name, "the list is incomplete"));
            };
            let value = match first {
                b'N' | b'I' | b'-' | b'+' | b'.' | b'0'..=b'9' => {
                    let word = self.word();
                    number(word).ok_or_else(|| {
                        refused(format!("has `{}` at {at}, which is not a finite number", quoted(word)))
                    })?
                }
                _ => match self.value(name)? {
                    Value::Number(value) => value,
                    other => return Err(refused(format!("has {} at {at} instead of a number", other.kind()))),
                },
            };
            if !(value as f32).is_finite() {
                return Err(refused(format!("has a number at {at} that is too large for 32 bits")));
            }
            values.push(value as f32);
            if self.take(b']') {
                return Ok(values);
            }
            if !self.take(b',') {
                return Err(self.invalid(
                    name,
                    &format!("a comma or the end of the list is missing behind number {at}"),
                ));
            }
        }
    }

    /// Parses a list of at most `most` values. `read` parses each value with its position.
    pub(super) fn list(
        &mut self,
        name: &str,
        most: usize,
        mut read: impl FnMut(&mut Self, usize) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        if self.peek() != Some(b'[') {
            let found = self.value(name)?;
            return Err(ApiError::field(name, format!("it is {}; send a list", found.kind())));
        }
        self.at += 1;
        if self.take(b']') {
            return Ok(());
        }
        for at in 0..most {
            read(self, at)?;
            if self.take(b']') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.invalid(name, "a comma or the end of the list is missing"));
            }
        }
        Err(ApiError::field(name, format!("it has more than {most} entries")))
    }

    /// Parses any value as a tree. `None` for null.
    pub(super) fn tree(&mut self, name: &str) -> Result<Option<serde_json::Value>, ApiError> {
        self.peek();
        let mut values = serde_json::Deserializer::from_slice(&self.bytes[self.at..]).into_iter();
        let parsed: Option<Result<serde_json::Value, _>> = values.next();
        match parsed {
            Some(Ok(value)) => {
                self.at += values.byte_offset();
                Ok(Some(value).filter(|value| !value.is_null()))
            }
            _ => Err(self.invalid(name, "it is incomplete or nested too deeply")),
        }
    }

    /// Parses a text or null.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.value(name)? {
            Value::Text(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            other => Err(ApiError::field(name, format!("it is {}; send a text", other.kind()))),
        }
    }

    /// Parses a value; of a list or an object only the first character.
    pub(super) fn value(&mut self, name: &str) -> Result<Value, ApiError> {
        match self.peek() {
            None => Err(self.invalid(name, "it is incomplete")),
            Some(b'"') => self.string(name).map(Value::Text),
            Some(b'[') => Ok(Value::List),
            Some(b'{') => Ok(Value::Object),
            Some(_) => match self.word() {
                b"null" => Ok(Value::Null),
                b"true" | b"false" => Ok(Value::Flag),
                word => match number(word) {
                    Some(value) => Ok(Value::Number(value)),
                    None => Err(ApiError::field(
                        name,
                        format!("`{}` is not a JSON value, or too large a number", quoted(word)),
                    )),
                },
            },
        }
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self, name: &str) -> Result<(), ApiError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.invalid(name, "something follows the end of the JSON")),
        }
    }

    fn string(&mut self, name: &str) -> Result<String, ApiError> {
        let mut end = self.at + 1;
        while let Some(&byte) = self.bytes.get(end) {
            match byte {
                b'"' => {
                    let text = serde_json::from_slice(&self.bytes[self.at..=end]);
                    let text =
                        text.map_err(|_| self.invalid(name, "a text has characters that JSON does not allow"))?;
                    self.at = end + 1;
                    return Ok(text);
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        Err(self.invalid(name, "a text is incomplete"))
    }

    /// Takes the bytes up to the next punctuation mark or blank.
    fn word(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest
            .iter()
            .position(|byte| b",:{}[]\" \t\r\n".contains(byte))
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn peek(&mut self) -> Option<u8> {
        while self.bytes.get(self.at).is_some_and(|byte| b" \t\r\n".contains(byte)) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn invalid(&self, name: &str, reason: &str) -> ApiError {
        let before = &self.bytes[..self.at.min(self.bytes.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        ApiError::field(
            name,
            format!("it is not valid JSON: {reason} (line {line}, column {column})"),
        )
    }
}

fn number(word: &[u8]) -> Option<f64> {
    serde_json::from_slice::<f64>(word).ok()
}

/// A number for errors; large ones with an exponent.
pub(super) fn shown(value: f64) -> String {
    if value.abs() < 1e15 {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

fn quoted(word: &[u8]) -> String {
    short(&String::from_utf8_lossy(&word[..word.len().min(4 * QUOTED)]))
}

fn short(text: &str) -> String {
    text.chars().take(QUOTED).collect()
}
