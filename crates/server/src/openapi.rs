//! What the OpenAPI document says beside the endpoints themselves.

use crate::rest::Problems;
use axum::http::StatusCode;
use bellwether_api::Problem;
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi, RefOr,
        path::Operation,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bellwether",
        description = "A self-service private cloud for KVM hosts that run libvirt. Conventions: docs/api-design.md.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    security(("token" = []), ("session" = []))
)]
struct Document;

/// The document before any endpoint is in it.
pub fn beginning() -> OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    for (name, response) in Problems::components() {
        components
            .responses
            .insert(name.to_string(), RefOr::T(response));
    }
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()),
    );
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-bw_session",
            "Set by POST /api/v1/session; called bw_session over plain HTTP on loopback.",
        ))),
    );
    document
}

/// Gives every operation a name of its own (from method and path) and every answer a description: both are required.
pub fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let name = path
            .trim_start_matches("/api/v1/")
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("_");
        for (method, operation) in [
            ("get", &mut item.get),
            ("post", &mut item.post),
            ("put", &mut item.put),
            ("patch", &mut item.patch),
            ("delete", &mut item.delete),
        ] {
            if let Some(operation) = operation {
                operation.operation_id = Some(format!("{method}_{name}"));
                describe(operation);
            }
        }
    }
}

fn describe(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            let reason = status
                .parse()
                .ok()
                .and_then(|status| StatusCode::from_u16(status).ok())
                .and_then(|status| status.canonical_reason());
            response.description = reason.unwrap_or("An answer").to_string();
        }
    }
}
