//! The field `crop` of a search: the part of the photo to search for.

use shared::input::CropBox;

use super::json::{Json, Value, shown};
use crate::http::error::ApiError;
use dataset::Crop;

/// Parses the word `auto` or a crop box as a JSON object.
///
/// # Errors
/// If the text is neither; the error names the key.
pub(super) fn read(text: &str) -> Result<Crop, ApiError> {
    if text == "auto" {
        return Ok(Crop::Auto);
    }
    if !text.starts_with('{') {
        return Err(ApiError::field(
            "crop",
            "send the word auto, or a JSON object with the keys x, y, width and height in pixels",
        ));
    }
    let mut json = Json::new(text.as_bytes());
    let mut sides = [None; 4];
    const KEYS: [&str; 4] = ["x", "y", "width", "height"];
    json.object("crop", &KEYS, |json, key| {
        let name = format!("crop.{key}");
        let value = match json.value(&name)? {
            Value::Number(value) => value,
            other => {
                return Err(ApiError::field(
                    name,
                    format!("it is {}; send a whole number of pixels", other.kind()),
                ));
            }
        };
        // Larger numbers lie outside of every photo.
        if value.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&value) {
            let reason = format!(
                "{} is not a whole number of pixels from 0 to {}",
                shown(value),
                u32::MAX
            );
            return Err(ApiError::field(name, reason));
        }
        if let Some(at) = KEYS.iter().position(|known| *known == key) {
            sides[at] = Some(value as u32);
        }
        Ok(())
    })?;
    json.end("crop")?;
    match sides {
        [Some(x), Some(y), Some(width), Some(height)] => Ok(Crop::Box(CropBox { x, y, width, height })),
        _ => {
            let missing: Vec<&str> = KEYS
                .iter()
                .zip(sides)
                .filter(|(_, side)| side.is_none())
                .map(|(key, _)| *key)
                .collect();
            Err(ApiError::field(
                "crop",
                format!(
                    "the keys {} are missing; send x, y, width and height",
                    missing.join(", ")
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_boxes_are_parsed_or_refused_by_key() {
        let given = Crop::Box(CropBox {
            x: 100,
            y: 0,
            width: 50,
            height: 1,
        });
        for (text, expected) in [
            ("auto", Ok(Crop::Auto)),
            (r#"{"x":100,"y":0,"width":50,"height":1}"#, Ok(given)),
            (r#"{"height":1.0,"x":1e2,"y":-0.0,"width":5e1}"#, Ok(given)),
            (
                r#"{"x":10.4,"y":0,"width":5,"height":1}"#,
                Err("`crop.x`: 10.4 is not a whole number"),
            ),
            (r#"{"x":1e300,"y":0,"width":5,"height":1}"#, Err("`crop.x`: 1e300 is")),
            (r#"{"x":1e300,"y":0,"width":5,"height":1}"#, Err("`crop.x`: 1e300 is")),
            (r#"{"x":-1,"y":0,"width":5,"height":1}"#, Err("`crop.x`: -1")),
            (r#"{"x":1e400,"y":0,"width":5,"height":1}"#, Err("`crop.x`: `1e400`")),
            (r#"{"x":NaN,"y":0,"width":5,"height":1}"#, Err("`crop.x`: `NaN`")),
            (r#"{"x":00,"y":0,"width":5,"height":1}"#, Err("`crop.x`: `00`")),
            (r#"{"x":0,"y":0,"width":4294967296,"height":1}"#, Err("`crop.width`")),
            (
                r#"{"x":"10","y":0,"width":5,"height":1}"#,
                Err("`crop.x`: it is a text"),
            ),
            (
                r#"{"x":0,"y":0,"width":5,"height":[1]}"#,
                Err("`crop.height`: it is a list"),
            ),
            (r#"{"x":0,"y":0,"w":5,"h":1}"#, Err("no key `w`")),
            (r#"{"x":0,"x":1,"y":0,"width":5,"height":1}"#, Err("`x` occurs twice")),
            (r#"{"x":0,"y":0}"#, Err("width, height are missing")),
            ("{}", Err("x, y, width, height")),
            ("{", Err("valid JSON")),
            (r#"{"x":0,"y":0,"width":5,"height":1} 7"#, Err("follows")),
            ("null", Err("the word auto")),
            ("[10,10,50,50]", Err("the word auto")),
            ("10,10,50,50", Err("the word auto")),
            (&"[".repeat(500), Err("the word auto")),
        ] {
            match (read(text), expected) {
                (Ok(crop), Ok(expected)) => assert_eq!(crop, expected, "{text}"),
                (Err(error), Err(words)) => {
                    let error = error.to_string();
                    assert!(
                        error.contains(words) && error.contains("`crop"),
                        "{text}: '{error}' does not say '{words}'"
                    );
                }
                (found, expected) => panic!("{text}: {found:?} is not {expected:?}"),
            }
        }
    }
}
