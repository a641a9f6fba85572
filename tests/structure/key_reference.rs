//! Reference of the keys of a TOML file, as Markdown tables from its JSON Schema.

use serde_json::{Map, Value};
use std::fmt::Write;

/// A table of keys.
struct Section {
    title: String,
    text: String,
    rows: Vec<String>,
}

/// Sections of a schema, in the order of its keys.
struct Reference<'a> {
    definitions: Option<&'a Map<String, Value>>,
    sections: Vec<Section>,
}

/// Formats one section for the root, and one for each table of keys below it.
pub(crate) fn key_reference(schema: &Value) -> String {
    let mut reference = Reference {
        definitions: schema["$defs"].as_object(),
        sections: Vec::new(),
    };
    reference.table("Top level", "", schema, &mut Vec::new());
    let mut text = String::new();
    for section in &reference.sections {
        let _ = writeln!(text, "## {}\n", section.title);
        if !section.text.is_empty() {
            let _ = writeln!(text, "{}\n", section.text);
        }
        if !section.rows.is_empty() {
            text += "| Key | Type | Default | Meaning |\n|---|---|---|---|\n";
            text += &section.rows.concat();
            text.push('\n');
        }
    }
    text
}

impl<'a> Reference<'a> {
    /// Resolves a reference to a definition; `name` is that of the definition.
    fn resolve(&self, schema: &'a Value) -> (Option<&'a str>, &'a Value) {
        let name = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/"));
        match name.and_then(|name| Some((name, self.definitions?.get(name)?))) {
            Some((name, definition)) => (Some(name), definition),
            None => (None, schema),
        }
    }

    /// Adds the section of a table of keys, and the sections of the tables in it.
    fn table(&mut self, title: &str, path: &str, schema: &'a Value, seen: &mut Vec<&'a str>) {
        let at = self.sections.len();
        self.sections.push(Section {
            title: title.to_owned(),
            text: words(&schema["description"]),
            rows: Vec::new(),
        });
        let Some(properties) = schema["properties"].as_object() else {
            return;
        };
        let required: Vec<&str> = schema["required"]
            .as_array()
            .map(|keys| keys.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for (key, property) in properties {
            if property.get("const").is_some() {
                continue;
            }
            let row = self.row(key, property, required.contains(&key.as_str()));
            self.sections[at].rows.push(row);
        }
        for (key, property) in properties {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            self.tables_in(&path, property, seen);
        }
    }

    /// Adds the sections of the tables that a value can be or contain.
    fn tables_in(&mut self, path: &str, schema: &'a Value, seen: &mut Vec<&'a str>) {
        let (name, schema) = self.resolve(schema);
        if let Some(name) = name {
            if seen.contains(&name) {
                return;
            }
            seen.push(name);
        }
        if let Some(variants) = schema["oneOf"].as_array() {
            for variant in variants {
                let kind = variant["properties"]["kind"]["const"].as_str();
                if let Some(kind) = kind {
                    self.table(&format!("`{path}`, kind = \"{kind}\""), path, variant, seen);
                }
            }
        } else if let Some(variants) = schema["anyOf"].as_array() {
            for variant in variants {
                self.tables_in(path, variant, seen);
            }
        } else if schema["properties"].is_object() {
            self.table(&format!("`{path}`"), path, schema, seen);
        } else if schema["items"].is_object() {
            self.tables_in(&format!("{path}[]"), &schema["items"], seen);
        }
        if name.is_some() {
            seen.pop();
        }
    }

    fn row(&self, key: &str, property: &'a Value, required: bool) -> String {
        let default = match property.get("default") {
            Some(Value::Object(keys)) if keys.is_empty() => "`{}`".to_owned(),
            Some(Value::Object(_)) => "defaults of its keys".to_owned(),
            Some(Value::Null) => "absent".to_owned(),
            Some(value) => format!("`{}`", number(value)),
            None if required => String::new(),
            None => "absent".to_owned(),
        };
        let mut meaning = words(&property["description"]);
        let (_, definition) = self.resolve(property);
        for variant in definition["oneOf"].as_array().into_iter().flatten() {
            let name = variant["const"].as_str().map(|name| format!("\"{name}\""));
            let name = name.or_else(|| variant["properties"].is_object().then(|| self.kind(variant)));
            if let (Some(name), false) = (name, variant["properties"]["kind"].is_object()) {
                let _ = write!(meaning, "<br>`{name}`: {}", words(&variant["description"]));
            }
        }
        format!(
            "| `{key}` | {} | {default} | {} |\n",
            self.kind(property).replace('|', "\\|"),
            meaning.replace('|', "\\|")
        )
    }

    /// Describes the type of a value.
    fn kind(&self, schema: &'a Value) -> String {
        let (_, schema) = self.resolve(schema);
        if let Some(value) = schema["const"].as_str() {
            return format!("\"{value}\"");
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(variants) = schema[key].as_array() {
                if variants.iter().all(|variant| variant["properties"]["kind"].is_object()) {
                    return "table".to_owned();
                }
                let mut kinds: Vec<String> = Vec::new();
                for variant in variants {
                    let kind = match variant["enum"].as_array() {
                        Some(values) => values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or "),
                        None => self.kind(variant),
                    };
                    if kind != "null" && !kinds.contains(&kind) {
                        kinds.push(kind);
                    }
                }
                return kinds.join(" or ");
            }
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds
                .iter()
                .find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
            kind => kind.as_str(),
        };
        match kind {
            Some("array") if schema["items"].is_object() => format!("list of {}", self.kind(&schema["items"])),
            Some("array") => "list".to_owned(),
            Some("object") => match schema["properties"].as_object() {
                Some(properties) if properties.len() == 1 && schema["required"].is_array() => {
                    let (key, value) = properties.iter().next().expect("there is one property");
                    format!("{{ {key} = {} }}", self.kind(value))
                }
                _ => "table".to_owned(),
            },
            Some("string") => "text".to_owned(),
            Some(kind) => kind.to_owned(),
            None => "any value".to_owned(),
        }
    }
}

/// Text of a description in one line.
fn words(description: &Value) -> String {
    description
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A value with numbers that were stored as `f32` in their shortest form.
fn number(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let wide = number.as_f64().unwrap_or(f64::NAN);
            if f64::from(wide as f32) == wide {
                (wide as f32).to_string()
            } else {
                wide.to_string()
            }
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(number).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.to_string(),
    }
}
