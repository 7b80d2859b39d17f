//! Whether a value is what a schema of an `OpenAPI` document says: as much of JSON Schema as the services'
//! documents use, and nothing that they do not describe.

use serde_json::Value;

/// Holds `value` to `schema`, whose references are looked up in `document`.
///
/// # Errors
/// What does not fit, and where.
pub fn holds(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        let target = target.ok_or(format!("{reference} is nowhere"))?;
        return holds(document, target, value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = |one: &&Value| holds(document, one, value).is_ok();
        return match choices.iter().filter(fits).count() {
            1 => Ok(()),
            n => Err(format!("{n} choices fit")),
        };
    }
    if let Some(allowed) = schema["enum"].as_array() {
        return allowed.contains(value).then_some(()).ok_or("enum".into());
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.contains(&is) {
        return Err(format!("{is}, not {types:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        holds(document, &schema["items"], item)?;
    }
    let Some(members) = value.as_object() else {
        return Ok(());
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(required.as_str().unwrap_or_default()) {
            return Err(format!("{required} is missing"));
        }
    }
    for (name, member) in members {
        let property = schema["properties"].get(name);
        let property = property.unwrap_or(&schema["additionalProperties"]);
        if property.is_null() || property == &Value::Bool(false) {
            return Err(format!("{name} is not described"));
        }
        holds(document, property, member).map_err(|wrong| format!("{name}: {wrong}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_described_fits() {
        let document = json!({ "schemas": { "Name": { "type": "string" } } });
        let schema = json!({
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": { "$ref": "#/schemas/Name" },
                "count": { "type": ["integer", "null"] },
                "kind": { "enum": ["a", "b"] },
                "items": { "type": "array", "items": { "type": "string" } },
                "either": { "oneOf": [{ "type": "null" }, { "$ref": "#/schemas/Name" }] },
            },
        });
        for (value, fits) in [
            (json!({ "name": "x" }), true),
            (
                json!({ "name": "x", "count": null, "kind": "a", "items": ["y"], "either": "z" }),
                true,
            ),
            (json!({}), false),
            (json!({ "name": 1 }), false),
            (json!({ "name": "x", "count": "1" }), false),
            (json!({ "name": "x", "kind": "c" }), false),
            (json!({ "name": "x", "items": [1] }), false),
            (json!({ "name": "x", "either": 1 }), false),
            (json!({ "name": "x", "other": 1 }), false),
            (json!([]), false),
        ] {
            assert_eq!(holds(&document, &schema, &value).is_ok(), fits, "{value}");
        }
        assert!(holds(&document, &json!({ "$ref": "#/nowhere" }), &json!(1)).is_err());
    }
}
