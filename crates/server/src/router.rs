//! Every route there is, in the order of `docs/api-design.md`.

use crate::{layers, openapi, pages, rest::*, state::AppState};
use axum::{Router, extract::DefaultBodyLimit};
use utoipa_axum::{router::OpenApiRouter, routes};

/// The whole server as one service.
pub fn router(state: &AppState) -> Router {
    let (api, _) = api().split_for_parts();
    layers::around(api.merge(pages::router()), state)
}

/// What a listener of its own for monitoring systems serves.
pub fn scrapes(state: &AppState) -> Router {
    let routes = Router::new().route("/metrics", axum::routing::get(scrape::metrics_alone));
    routes.with_state(state.clone())
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = api().split_for_parts().1;
    openapi::complete(&mut document);
    document
}

fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::beginning())
        .routes(routes!(server::healthz))
        .routes(routes!(server::readyz))
        .routes(routes!(server::info))
        .routes(routes!(server::tasks))
        .routes(routes!(server::openapi))
        .routes(routes!(scrape::metrics))
        .routes(routes!(session::register))
        .routes(routes!(session::log_in, session::log_out))
        .routes(routes!(me::show))
        .routes(routes!(me::change_password))
        .routes(routes!(me::tokens, me::create_token))
        .routes(routes!(me::revoke_token))
        .routes(routes!(users::list))
        .routes(routes!(users::show, users::change))
        .routes(routes!(totals::list))
        .routes(routes!(requests::list, requests::submit))
        .routes(routes!(requests::show))
        .routes(routes!(requests::audit_lines))
        .routes(routes!(requests::withdraw))
        .routes(routes!(requests::consider))
        .routes(routes!(requests::approve))
        .routes(routes!(requests::refuse))
        .routes(routes!(vms::list))
        .routes(routes!(vms::show, vms::remove))
        .routes(routes!(vms::audit_lines))
        .routes(routes!(vms::history))
        .routes(routes!(vms::power))
        .routes(routes!(vms::extend))
        .routes(routes!(vms::first_password))
        .routes(routes!(vms::screen))
        .routes(routes!(moves::targets))
        .routes(routes!(moves::start))
        .routes(routes!(moves::set_policy))
        .routes(routes!(migrations::list))
        .routes(routes!(migrations::accuracy))
        .routes(routes!(migrations::show))
        .routes(routes!(migrations::set_limits))
        .routes(routes!(plans::list))
        .routes(routes!(plans::show))
        .routes(routes!(plans::cancel))
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::show))
        .routes(routes!(alerts::silence))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(fleet::show))
        .routes(routes!(fleet::heat))
        .routes(routes!(history::show))
        .routes(routes!(hosts::list, hosts::add))
        .routes(routes!(hosts::try_connect))
        .routes(routes!(hosts::show, hosts::change, hosts::remove))
        .routes(routes!(hosts::set_mode))
        .routes(routes!(plans::prospect, plans::drain))
        .routes(routes!(plans::resume))
        .routes(routes!(hosts::history))
        .routes(routes!(hosts::shares))
        .routes(routes!(storages::list, storages::create))
        .routes(routes!(storages::discovered))
        .routes(routes!(storages::show, storages::change, storages::remove))
        .routes(routes!(storages::prove))
        .routes(routes!(networks::list, networks::create))
        .routes(routes!(networks::discovered))
        .routes(routes!(networks::show, networks::change, networks::remove))
        .routes(routes!(images::list, images::add))
        .routes(routes!(images::catalogue))
        .routes(routes!(images::show, images::remove))
        .routes(routes!(images::retry))
        .routes(routes!(policy::show, policy::set))
        .routes(routes!(audit::list))
        .routes(routes!(events::follow))
        .layer(layers::deadline())
        // The one body that may be large, and may take its time.
        .merge(
            OpenApiRouter::new()
                .routes(routes!(images::upload))
                .layer(DefaultBodyLimit::disable()),
        )
}
