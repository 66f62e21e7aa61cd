//! JSON Schema, as much of it as types of authorization details need (draft 2020-12; RFC 9396 §5 leaves the language open).
//!
//! `type`, `properties`, `required`, `additionalProperties`, `items`, `minItems`, `maxItems`, `enum`, `const`, `minLength`,
//! `maxLength`, `minimum`, `maximum`; `title` and `description` say something to people. A schema that asks for anything else is
//! refused, so that nothing that its author relies on is left unchecked. Members that a schema doesn't name are refused too.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// How deep a schema may be.
const MAX_DEPTH: usize = 8;

const KEYWORDS: [&str; 15] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "enum",
    "const",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "title",
    "description",
];

const TYPES: [&str; 7] = ["object", "array", "string", "number", "integer", "boolean", "null"];

/// What is wrong with a schema: the end of a sentence.
pub fn check(schema: &Value) -> Result<(), String> {
    check_at(schema, 0)
}

fn check_at(schema: &Value, depth: usize) -> Result<(), String> {
    let Value::Object(schema) = schema else { return Err("is no JSON object".to_owned()) };
    if depth > MAX_DEPTH {
        return Err(format!("is nested deeper than {MAX_DEPTH} levels"));
    }
    if let Some(unknown) = schema.keys().find(|name| !KEYWORDS.contains(&name.as_str())) {
        return Err(format!("uses {unknown}, which is not supported"));
    }
    for (name, value) in schema {
        let fits = match name.as_str() {
            "type" => value.as_str().is_some_and(|name| TYPES.contains(&name)),
            "properties" => value.is_object(),
            "required" => value.as_array().is_some_and(|names| names.iter().all(Value::is_string)),
            // Never taken at its word: see the head of this file.
            "additionalProperties" => *value == Value::Bool(false),
            "items" | "const" => true,
            "enum" => value.is_array(),
            "minimum" | "maximum" => value.is_number(),
            "title" | "description" => value.is_string(),
            _ => value.is_u64(),
        };
        if !fits {
            return Err(format!("has a {name} that can't be used"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::values);
    properties.chain(schema.get("items")).try_for_each(|inner| check_at(inner, depth + 1))
}

/// Whether the value is what the schema asks for. `ignored` is a member of the value itself that the schema need not name.
pub fn accepts(schema: &Value, value: &Value, ignored: Option<&str>) -> bool {
    let Value::Object(schema) = schema else { return false };
    let number = |name: &str| schema.get(name).and_then(Value::as_u64);
    let within = |count: usize, least: &str, most: &str| {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        number(least).is_none_or(|least| count >= least) && number(most).is_none_or(|most| count <= most)
    };
    let is_of_type = schema.get("type").and_then(Value::as_str).is_none_or(|wanted| is_a(value, wanted));
    let is_listed = schema.get("enum").and_then(Value::as_array).is_none_or(|values| values.contains(value));
    let is_the_one = schema.get("const").is_none_or(|only| only == value);
    let holds = match value {
        Value::Object(members) => accepts_members(schema, members, ignored),
        Value::Array(items) => {
            let each = |item| schema.get("items").is_none_or(|schema| accepts(schema, item, None));
            within(items.len(), "minItems", "maxItems") && items.iter().all(each)
        }
        Value::String(text) => within(text.chars().count(), "minLength", "maxLength"),
        Value::Number(number) => {
            let limit = |name: &str| schema.get(name).and_then(Value::as_number);
            limit("minimum").is_none_or(|least| compare(number, least).is_some_and(Ordering::is_ge))
                && limit("maximum").is_none_or(|most| compare(number, most).is_some_and(Ordering::is_le))
        }
        Value::Bool(_) | Value::Null => true,
    };
    is_of_type && is_listed && is_the_one && holds
}

/// Whole numbers as such: as floating-point numbers great ones are equal that are not.
fn compare(one: &Number, other: &Number) -> Option<Ordering> {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

fn accepts_members(schema: &Map<String, Value>, members: &Map<String, Value>, ignored: Option<&str>) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut known = members.iter().filter(|(name, _)| Some(name.as_str()) != ignored);
    known.all(|(name, value)| properties.and_then(|known| known.get(name)).is_some_and(|schema| accepts(schema, value, None)))
        && required.into_iter().all(|name| members.contains_key(name))
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Object(_) => wanted == "object",
        Value::Array(_) => wanted == "array",
        Value::String(_) => wanted == "string",
        Value::Number(number) => wanted == "number" || wanted == "integer" && (number.is_i64() || number.is_u64()),
        Value::Bool(_) => wanted == "boolean",
        Value::Null => wanted == "null",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payment() -> Value {
        json!({
            "type": "object",
            "required": ["amount"],
            "properties": {
                "amount": {
                    "type": "object", "required": ["value"],
                    "properties": { "value": { "type": "integer", "minimum": 1, "maximum": 1000 }, "currency": { "enum": ["EUR", "CHF"] } },
                },
                "lines": { "type": "array", "maxItems": 2, "items": { "type": "string", "minLength": 1, "maxLength": 3 } },
                "kind": { "const": "once" },
            },
        })
    }

    #[test]
    fn what_the_schema_asks_for_is_accepted() {
        assert_eq!(check(&payment()), Ok(()));
        for good in [
            json!({ "amount": { "value": 5 } }),
            json!({ "amount": { "value": 1000, "currency": "EUR" }, "lines": ["a", "äöü"], "kind": "once" }),
            json!({ "type": "payment", "amount": { "value": 5 } }),
        ] {
            assert!(accepts(&payment(), &good, Some("type")), "{good}");
        }
    }

    #[test]
    fn great_numbers_are_compared_as_whole_ones() {
        let schema =
            json!({ "type": "object", "properties": { "value": { "type": "integer", "maximum": 9_007_199_254_740_992_u64 } } });
        assert!(accepts(&schema, &json!({ "value": 9_007_199_254_740_992_u64 }), None));
        assert!(!accepts(&schema, &json!({ "value": 9_007_199_254_740_993_u64 }), None));
        assert!(!accepts(&schema, &json!({ "value": u64::MAX }), None));
        assert!(accepts(&schema, &json!({ "value": i64::MIN }), None));
    }

    #[test]
    fn whatever_else_is_not() {
        for bad in [
            json!([]),
            json!({}),
            json!({ "amount": { "value": 0 } }),
            json!({ "amount": { "value": 1001 } }),
            json!({ "amount": { "value": 1.5 } }),
            json!({ "amount": { "value": "1" } }),
            json!({ "amount": { "currency": "EUR" } }),
            json!({ "amount": { "value": 1, "currency": "USD" } }),
            json!({ "amount": { "value": 1, "extra": 1 } }),
            json!({ "amount": { "value": 1, "type": "nested" } }),
            json!({ "amount": { "value": 1 }, "extra": null }),
            json!({ "amount": { "value": 1 }, "lines": ["a", "b", "c"] }),
            json!({ "amount": { "value": 1 }, "lines": [""] }),
            json!({ "amount": { "value": 1 }, "lines": ["abcd"] }),
            json!({ "amount": { "value": 1 }, "lines": {} }),
            json!({ "amount": { "value": 1 }, "kind": "often" }),
            json!({ "amount": null }),
        ] {
            assert!(!accepts(&payment(), &bad, Some("type")), "{bad}");
        }
    }

    #[test]
    fn a_schema_that_asks_for_what_is_not_checked_is_refused() {
        let mut deep = json!({});
        for _ in 0..9 {
            deep = json!({ "items": deep });
        }
        for bad in [
            json!(true),
            json!([]),
            json!({ "pattern": "^a" }),
            json!({ "properties": { "a": { "$ref": "#/a" } } }),
            json!({ "items": { "format": "date" } }),
            json!({ "type": ["string", "null"] }),
            json!({ "type": "text" }),
            json!({ "additionalProperties": true }),
            json!({ "required": "a" }),
            json!({ "maxLength": -1 }),
            json!({ "minimum": "1" }),
            deep,
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
    }
}
