//! The description as a page: plain HTML, made on the server, with nothing from elsewhere.

use askama::Template;
use serde_json::Value;

use crate::pages::statics;

/// The order of a path's methods.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

#[derive(Template)]
#[template(path = "api.html")]
struct Page {
    base: String,
    css: String,
    icon: String,
    title: String,
    version: String,
    /// Paragraphs, each a row of texts: every second one is code.
    about: Vec<Vec<String>>,
    groups: Vec<Group>,
    schemas: Vec<Schema>,
}

struct Group {
    name: String,
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: String,
    scopes: Vec<String>,
    parameters: Vec<Member>,
    request: Option<Kind>,
    responses: Vec<(String, Option<Kind>)>,
}

struct Schema {
    name: String,
    about: String,
    /// A schema without members.
    kind: Option<Kind>,
    members: Vec<Member>,
}

struct Member {
    name: String,
    /// `path`, `query`, `header`; empty for a member of an object.
    place: String,
    required: bool,
    kind: Kind,
    about: String,
}

/// A type in words, with the schema it names.
#[derive(Default)]
struct Kind {
    before: String,
    schema: String,
    after: String,
}

/// Renders `description`, an OpenAPI document.
pub(super) fn render(description: &Value, base: &str) -> askama::Result<String> {
    let about = text(&description["info"]["description"]);
    let page = Page {
        base: base.to_owned(),
        css: statics::path(base, "ostiary.css"),
        icon: statics::path(base, "mark.svg"),
        title: text(&description["info"]["title"]),
        version: text(&description["info"]["version"]),
        about: about.split("\n\n").map(|paragraph| paragraph.split('`').map(str::to_owned).collect()).collect(),
        groups: items(&description["tags"]).map(|tag| group(tag, &description["paths"])).collect(),
        schemas: members(&description["components"]["schemas"]).map(|(name, schema)| named(name, schema)).collect(),
    };
    page.render()
}

fn group(tag: &Value, paths: &Value) -> Group {
    let name = text(&tag["name"]);
    let mut operations = Vec::new();
    for (path, item) in members(paths) {
        for method in METHODS {
            let operation = &item[method];
            if items(&operation["tags"]).any(|tag| *tag == name) {
                operations.push(shown(method, path, operation));
            }
        }
    }
    Group { about: text(&tag["description"]), operations, name }
}

fn shown(method: &str, path: &str, operation: &Value) -> Operation {
    let oauth2 = items(&operation["security"]).map(|requirement| &requirement["oauth2"]);
    let request = members(&operation["requestBody"]["content"]).next();
    let parameters = items(&operation["parameters"]).map(|parameter| Member {
        name: text(&parameter["name"]),
        place: text(&parameter["in"]),
        required: parameter["required"] == true,
        kind: kind(&parameter["schema"]),
        about: text(&parameter["description"]),
    });
    let responses = members(&operation["responses"]).map(|(status, response)| {
        let body = members(&response["content"]).next();
        (status.to_owned(), body.map(|(_, content)| kind(&content["schema"])))
    });
    Operation {
        id: text(&operation["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(&operation["summary"]),
        about: text(&operation["description"]),
        scopes: oauth2.flat_map(items).map(text).collect(),
        parameters: parameters.collect(),
        request: request.map(|(_, content)| kind(&content["schema"])),
        responses: responses.collect(),
    }
}

fn named(name: &str, schema: &Value) -> Schema {
    let mut found = Vec::new();
    collect(schema, &mut found);
    let kind = found.is_empty().then(|| kind(schema));
    Schema { name: name.to_owned(), about: text(&schema["description"]), kind, members: found }
}

/// The members of an object, of the schemas that it is composed of too.
fn collect(schema: &Value, found: &mut Vec<Member>) {
    for part in items(&schema["allOf"]) {
        if part["$ref"].is_string() {
            let about = "and all of its members".to_owned();
            found.push(Member { name: "…".to_owned(), place: String::new(), required: true, kind: kind(part), about });
        }
        collect(part, found);
    }
    for (name, member) in members(&schema["properties"]) {
        found.push(Member {
            name: name.to_owned(),
            place: String::new(),
            required: items(&schema["required"]).any(|required| *required == name),
            kind: kind(member),
            about: text(&member["description"]),
        });
    }
}

fn kind(schema: &Value) -> Kind {
    if let Some(name) = schema["$ref"].as_str() {
        return Kind { schema: name.rsplit('/').next().unwrap_or_default().to_owned(), ..Kind::default() };
    }
    let either: Vec<_> = items(&schema["oneOf"]).chain(items(&schema["anyOf"])).filter(|part| part["type"] != "null").collect();
    if let [only] = either.as_slice() {
        return kind(only);
    }
    let words: Vec<String> = items(&schema["enum"]).map(Value::to_string).collect();
    if !words.is_empty() {
        return Kind { before: words.join(" | "), ..Kind::default() };
    }
    if !either.is_empty() {
        let words: Vec<String> = either.iter().map(|part| kind(part).before).collect();
        return Kind { before: words.join(" | "), ..Kind::default() };
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect::<Vec<_>>().join(" | ")
        }
        _ => "any value".to_owned(),
    };
    if name == "array" {
        let inner = kind(&schema["items"]);
        return Kind { before: format!("list of {}", inner.before), ..inner };
    }
    let after = schema["format"].as_str().map(|format| format!(" ({format})")).unwrap_or_default();
    Kind { before: name, schema: String::new(), after }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
