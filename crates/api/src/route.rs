//! Every endpoint with who may use it. The server builds its access test from this table; `docs/api-design.md` shows the
//! same with the shapes, and a test holds the two together.

use std::fmt;

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Make, or do something.
    Post,
    /// Replace.
    Put,
    /// Change what is named.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// `GET`, `POST`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may use an endpoint. Nobody signed in gets 401 everywhere but at `Anyone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everybody, signed in or not.
    Anyone,
    /// Everybody signed in; lists show what is theirs, admins see all.
    User,
    /// The owner of the thing in the path, or an admin; others get 404, as if it were not there.
    Owner,
    /// Admins; other users get 403.
    Admin,
}

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path, with `{id}` for identifiers.
    pub path: &'static str,
    /// Who may.
    pub access: Access,
}

macro_rules! routes {
    ($($method:ident $path:literal $access:ident;)+) => {
        /// Every endpoint, in the order of `docs/api-design.md`.
        pub const ROUTES: &[Route] = &[$(Route { method: Method::$method, path: $path, access: Access::$access }),+];
    };
}

routes! {
    Get    "/healthz" Anyone;
    Get    "/readyz" Anyone;
    Get    "/api/v1/server" Anyone;
    Get    "/api/v1/server/tasks" Admin;
    Get    "/api/v1/openapi.json" Anyone;
    Get    "/metrics" Admin;

    Post   "/api/v1/accounts" Anyone;
    Post   "/api/v1/session" Anyone;
    Delete "/api/v1/session" User;
    Get    "/api/v1/me" User;
    Put    "/api/v1/me/password" User;
    Get    "/api/v1/me/tokens" User;
    Post   "/api/v1/me/tokens" User;
    Delete "/api/v1/me/tokens/{id}" Owner;

    Get    "/api/v1/users" Admin;
    Get    "/api/v1/users/{id}" Admin;
    Patch  "/api/v1/users/{id}" Admin;
    Get    "/api/v1/totals" User;

    Get    "/api/v1/requests" User;
    Post   "/api/v1/requests" User;
    Get    "/api/v1/requests/{id}" Owner;
    Get    "/api/v1/requests/{id}/audit" Owner;
    Post   "/api/v1/requests/{id}/withdraw" Owner;
    Get    "/api/v1/requests/{id}/consideration" Admin;
    Post   "/api/v1/requests/{id}/approve" Admin;
    Post   "/api/v1/requests/{id}/refuse" Admin;

    Get    "/api/v1/vms" User;
    Get    "/api/v1/vms/{id}" Owner;
    Get    "/api/v1/vms/{id}/audit" Owner;
    Get    "/api/v1/vms/{id}/metrics" Owner;
    Post   "/api/v1/vms/{id}/power" Owner;
    Put    "/api/v1/vms/{id}/lease" Owner;
    Post   "/api/v1/vms/{id}/first-password" Owner;
    Post   "/api/v1/vms/{id}/screen" Owner;
    Delete "/api/v1/vms/{id}" Owner;
    Get    "/api/v1/vms/{id}/migration-targets" Admin;
    Put    "/api/v1/vms/{id}/migration-policy" Admin;
    Post   "/api/v1/vms/{id}/migrations" Admin;

    Get    "/api/v1/migrations" Admin;
    Get    "/api/v1/migrations/accuracy" Admin;
    Get    "/api/v1/migrations/{id}" Admin;
    Put    "/api/v1/migrations/{id}/limits" Admin;

    Get    "/api/v1/plans" Admin;
    Get    "/api/v1/plans/{id}" Admin;
    Post   "/api/v1/plans/{id}/cancel" Admin;

    Get    "/api/v1/alerts" Admin;
    Get    "/api/v1/alerts/{id}" Admin;
    Post   "/api/v1/alerts/{id}/silence" Admin;

    Get    "/api/v1/jobs" User;
    Get    "/api/v1/jobs/{id}" Owner;
    Post   "/api/v1/jobs/{id}/cancel" Owner;
    Post   "/api/v1/jobs/{id}/retry" Admin;

    Get    "/api/v1/fleet" Admin;
    Get    "/api/v1/fleet/heat" Admin;
    Get    "/api/v1/history" Admin;
    Get    "/api/v1/hosts" Admin;
    Post   "/api/v1/hosts" Admin;
    Post   "/api/v1/hosts/try" Admin;
    Get    "/api/v1/hosts/{id}" Admin;
    Patch  "/api/v1/hosts/{id}" Admin;
    Put    "/api/v1/hosts/{id}/mode" Admin;
    Get    "/api/v1/hosts/{id}/drain" Admin;
    Post   "/api/v1/hosts/{id}/drain" Admin;
    Post   "/api/v1/hosts/{id}/resume" Admin;
    Get    "/api/v1/hosts/{id}/metrics" Admin;
    Get    "/api/v1/hosts/{id}/shares" Admin;
    Delete "/api/v1/hosts/{id}" Admin;

    Get    "/api/v1/storages" Admin;
    Post   "/api/v1/storages" Admin;
    Get    "/api/v1/storages/discovered" Admin;
    Get    "/api/v1/storages/{id}" Admin;
    Patch  "/api/v1/storages/{id}" Admin;
    Post   "/api/v1/storages/{id}/prove" Admin;
    Delete "/api/v1/storages/{id}" Admin;

    Get    "/api/v1/networks" Admin;
    Post   "/api/v1/networks" Admin;
    Get    "/api/v1/networks/discovered" Admin;
    Get    "/api/v1/networks/{id}" Admin;
    Patch  "/api/v1/networks/{id}" Admin;
    Delete "/api/v1/networks/{id}" Admin;

    Get    "/api/v1/images" User;
    Post   "/api/v1/images" Admin;
    Get    "/api/v1/images/catalogue" Admin;
    Post   "/api/v1/images/upload" Admin;
    Get    "/api/v1/images/{id}" User;
    Post   "/api/v1/images/{id}/retry" Admin;
    Delete "/api/v1/images/{id}" Admin;

    Get    "/api/v1/policy" User;
    Put    "/api/v1/policy" Admin;
    Get    "/api/v1/audit" Admin;
    Get    "/api/v1/events" User;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_and_the_table_are_the_same() {
        let document = include_str!("../../../docs/api-design.md");
        let in_document: Vec<String> = document
            .lines()
            .filter_map(|line| {
                let mut cells = line
                    .split('|')
                    .skip(1)
                    .map(|cell| cell.trim().trim_matches('`'));
                let (method, path, access) = (cells.next()?, cells.next()?, cells.next()?);
                (path.starts_with('/') && path != "/").then(|| format!("{method} {path} {access}"))
            })
            .collect();
        let in_table: Vec<String> = ROUTES
            .iter()
            .map(|r| {
                format!(
                    "{} {} {:?}",
                    r.method,
                    r.path.trim_start_matches("/api/v1"),
                    r.access
                )
                .to_lowercase()
            })
            .collect();
        let in_document: Vec<String> = in_document.iter().map(|line| line.to_lowercase()).collect();
        assert_eq!(in_document, in_table);
    }

    #[test]
    fn no_endpoint_stands_twice() {
        let distinct: BTreeSet<_> = ROUTES.iter().map(|r| (r.method.as_str(), r.path)).collect();
        assert_eq!(distinct.len(), ROUTES.len());
    }
}
