//! Errors of filters and facets.

/// Error of a filter or a list of facets. Every message begins with the path of the wrong part and says what to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A part does not follow the grammar.
    #[error("{path} {message}")]
    Invalid {
        /// Path of the part, such as `filter.and[1].in[3]`.
        path: String,
        /// The fault, and the advice.
        message: String,
    },
    /// A part exceeds a limit.
    #[error("{path} {message}")]
    TooLarge {
        /// Path of the part.
        path: String,
        /// The limit, and the advice.
        message: String,
    },
    /// No product has the field.
    #[error("{path} names the unknown field `{field}`; {advice}")]
    UnknownField {
        /// Path of the field's name.
        path: String,
        /// Name of the field. Long names are cut.
        field: String,
        /// The advice.
        advice: String,
    },
    /// A value is compared with a field whose values all have other types.
    #[error("{path} is {value}, but `{field}` has only {values}; send {advice}")]
    WrongType {
        /// Path of the value.
        path: String,
        /// Type of the value.
        value: String,
        /// Name of the field.
        field: String,
        /// Types of the field's values.
        values: String,
        /// The advice.
        advice: String,
    },
}

impl FilterError {
    /// Path of the wrong part, such as `filter.and[1].in[3]`.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Invalid { path, .. }
            | Self::TooLarge { path, .. }
            | Self::UnknownField { path, .. }
            | Self::WrongType { path, .. } => path,
        }
    }

    pub(crate) fn invalid(path: impl ToString, message: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.to_string(),
            message: message.into(),
        }
    }

    pub(crate) fn too_large(path: impl ToString, message: impl Into<String>) -> Self {
        Self::TooLarge {
            path: path.to_string(),
            message: message.into(),
        }
    }

    pub(crate) fn unknown_field(path: impl ToString, field: &str, advice: impl Into<String>) -> Self {
        Self::UnknownField {
            path: path.to_string(),
            field: shown(field),
            advice: advice.into(),
        }
    }
}

/// Text of a caller for a message: at most 64 characters, without control characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
