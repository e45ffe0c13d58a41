//! Every page and act of a page: who may, the endpoint that is its twin, and its handler. Router and tests are made
//! from this one list, so that nothing is served that is not in it.

use super::{
    alerts, approve, doors, fleet, forecast, heat, host, hosts, image_new, images, inbox, jobs,
    machine, machines, migrations, move_policies, networks, people, plans, requests, search,
    storages,
};
use crate::{layers, state::AppState};
use axum::{Router, extract::DefaultBodyLimit, routing};
use bellwether_api::{Access, Method};

/// One page, or one act of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// `GET` shows, `POST` does.
    pub method: Method,
    /// Path, with `{id}` for identifiers.
    pub path: &'static str,
    /// Who may. Nobody signed in is sent to sign in everywhere but at `Anyone`.
    pub access: Access,
    /// Method and path of the endpoint that tells or does the same; empty where there is nothing to tell or do but for
    /// browsers: forms, files, colours, the search box.
    pub twin: &'static str,
}

macro_rules! pages {
    (@method get) => { Method::Get };
    (@method post) => { Method::Post };
    ($($list:ident { $($(#[$when:meta])? $method:ident $path:literal $access:ident $twin:literal $handler:path;)+ })+) => {
        /// Every page, in the order of the navigation.
        pub const PAGES: &[Page] = &[$($($(#[$when])? Page {
            method: pages!(@method $method),
            path: $path,
            access: Access::$access,
            twin: $twin,
        }),+),+];
        $(fn $list() -> Router<AppState> {
            let router = Router::new();
            $($(#[$when])? let router = router.route($path, routing::$method($handler));)+
            router
        })+
    };
}

/// Every page.
pub fn router() -> Router<AppState> {
    ordinary()
        .layer(layers::deadline())
        .merge(large().layer(DefaultBodyLimit::disable()))
}

pages! {
    ordinary {
        get  "/sign-in"                 Anyone ""                                       doors::sign_in_form;
        post "/sign-in"                 Anyone "POST /api/v1/session"                   doors::sign_in;
        get  "/register"                Anyone ""                                       doors::register_form;
        post "/register"                Anyone "POST /api/v1/accounts"                  doors::register;
        post "/sign-out"                User   "DELETE /api/v1/session"                 doors::sign_out;
        post "/theme"                   Anyone ""                                       doors::theme;
        get  "/account"                 User   "GET /api/v1/me/tokens"                  doors::account;
        post "/account/password"        User   "PUT /api/v1/me/password"                doors::password;
        post "/account/tokens"          User   "POST /api/v1/me/tokens"                 doors::make_token;
        post "/account/tokens/{id}/end" Owner  "DELETE /api/v1/me/tokens/{id}"          doors::end_token;
        get  "/assets/{version}/{*path}" Anyone ""                                      doors::asset;

        get  "/"                        User   ""                                       fleet::front;
        get  "/search"                  User   ""                                       search::search;
        get  "/start"                   Admin  ""                                       fleet::start;

        get  "/machines"                User   "GET /api/v1/vms"                        machines::mine;
        get  "/requests"                User   "GET /api/v1/requests"                   requests::list;
        post "/requests"                User   "POST /api/v1/requests"                  requests::submit;
        get  "/requests.csv"            User   "GET /api/v1/requests"                   requests::list_csv;
        get  "/requests/new"            User   ""                                       requests::new;
        get  "/requests/{id}"           Owner  "GET /api/v1/requests/{id}"              requests::one;
        post "/requests/{id}/withdraw"  Owner  "POST /api/v1/requests/{id}/withdraw"    requests::withdraw;

        get  "/inbox"                   Admin  "GET /api/v1/requests"                   inbox::inbox;
        get  "/inbox.csv"               Admin  "GET /api/v1/requests"                   inbox::inbox_csv;
        get  "/inbox/{id}"              Admin  "GET /api/v1/requests/{id}/consideration" approve::one;
        post "/inbox/{id}/approve"      Admin  "POST /api/v1/requests/{id}/approve"     approve::approve;
        post "/inbox/{id}/refuse"       Admin  "POST /api/v1/requests/{id}/refuse"      approve::refuse;

        get  "/alerts"                  Admin  "GET /api/v1/alerts"                     alerts::alerts;
        get  "/alerts.csv"              Admin  "GET /api/v1/alerts"                     alerts::alerts_csv;
        post "/alerts/{id}/silence"     Admin  "POST /api/v1/alerts/{id}/silence"       alerts::silence;

        get  "/fleet"                   Admin  "GET /api/v1/fleet"                      fleet::fleet;
        get  "/fleet.csv"               Admin  "GET /api/v1/fleet"                      fleet::fleet_csv;
        get  "/fleet/heat"              Admin  "GET /api/v1/fleet/heat"                 heat::page;
        get  "/fleet/heat.csv"          Admin  "GET /api/v1/fleet/heat"                 heat::csv;

        get  "/vms"                     Admin  "GET /api/v1/vms"                        machines::all;
        get  "/vms.csv"                 Admin  "GET /api/v1/vms"                        machines::all_csv;
        get  "/vms/{id}"                Owner  "GET /api/v1/vms/{id}"                   machine::one;
        post "/vms/{id}/power"          Owner  "POST /api/v1/vms/{id}/power"            machine::power;
        post "/vms/{id}/extend"         Owner  "PUT /api/v1/vms/{id}/lease"             machine::extend;
        post "/vms/{id}/password"       Owner  "POST /api/v1/vms/{id}/first-password"   machine::password;
        post "/vms/{id}/screen"         Owner  "POST /api/v1/vms/{id}/screen"           machine::screen;
        get  "/vms/{id}/migrate"        Admin  "GET /api/v1/vms/{id}/migration-targets" migrations::choose;
        post "/vms/{id}/migrate"        Admin  "POST /api/v1/vms/{id}/migrations"       migrations::ask;
        post "/vms/{id}/delete"         Owner  "DELETE /api/v1/vms/{id}"                machine::remove;

        post "/vms/{id}/migration-policy" Admin "PUT /api/v1/vms/{id}/migration-policy" migrations::moves_by;
        get  "/migrations"              Admin  "GET /api/v1/migrations"                 migrations::migrations;
        get  "/migrations.csv"          Admin  "GET /api/v1/migrations"                 migrations::migrations_csv;
        get  "/migrations/accuracy"     Admin  "GET /api/v1/migrations/accuracy"        forecast::accuracy;
        get  "/migrations/{id}"         Admin  "GET /api/v1/migrations/{id}"            migrations::migration;
        get  "/plans"                   Admin  "GET /api/v1/plans"                      plans::list;
        get  "/plans/{id}"              Admin  "GET /api/v1/plans/{id}"                 plans::one;
        post "/plans/{id}/cancel"       Admin  "POST /api/v1/plans/{id}/cancel"         plans::cancel;
        post "/migrations/{id}/limits"  Admin  "PUT /api/v1/migrations/{id}/limits"     migrations::limits;
        get  "/jobs"                    User   "GET /api/v1/jobs"                       jobs::jobs;
        get  "/jobs/{id}"               Owner  "GET /api/v1/jobs/{id}"                  jobs::job;
        post "/jobs/{id}/cancel"        Owner  "POST /api/v1/jobs/{id}/cancel"          jobs::cancel;
        post "/jobs/{id}/retry"         Admin  "POST /api/v1/jobs/{id}/retry"           jobs::retry;

        get  "/hosts"                  Admin  "GET /api/v1/hosts"                        hosts::list;
        post "/hosts"                  Admin  "POST /api/v1/hosts"                       hosts::add;
        get  "/hosts.csv"              Admin  "GET /api/v1/hosts"                        hosts::list_csv;
        get  "/hosts/new"              Admin  ""                                         hosts::new;
        get  "/hosts/{id}"             Admin  "GET /api/v1/hosts/{id}"                   host::one;
        post "/hosts/{id}/mode"        Admin  "PUT /api/v1/hosts/{id}/mode"              host::mode;
        post "/hosts/{id}/change"      Admin  "PATCH /api/v1/hosts/{id}"                 host::change;
        get  "/hosts/{id}/drain"       Admin  "GET /api/v1/hosts/{id}/drain"             plans::prospect;
        post "/hosts/{id}/drain"       Admin  "POST /api/v1/hosts/{id}/drain"            plans::drain;
        post "/hosts/{id}/resume"      Admin  "POST /api/v1/hosts/{id}/resume"           plans::resume;
        post "/hosts/{id}/remove"      Admin  "DELETE /api/v1/hosts/{id}"                host::remove;

        get  "/storages"               Admin  "GET /api/v1/storages"                     storages::list;
        post "/storages"               Admin  "POST /api/v1/storages"                    storages::create;
        get  "/storages.csv"           Admin  "GET /api/v1/storages"                     storages::list_csv;
        get  "/storages/{id}"          Admin  "GET /api/v1/storages/{id}"                storages::one;
        post "/storages/{id}/change"   Admin  "PATCH /api/v1/storages/{id}"              storages::change;
        post "/storages/{id}/join"     Admin  "PATCH /api/v1/storages/{id}"              storages::join;
        post "/storages/{id}/prove"    Admin  "POST /api/v1/storages/{id}/prove"         storages::prove;
        post "/storages/{id}/remove"   Admin  "DELETE /api/v1/storages/{id}"             storages::remove;
        get  "/networks"               Admin  "GET /api/v1/networks"                     networks::list;
        post "/networks"               Admin  "POST /api/v1/networks"                    networks::create;
        get  "/networks.csv"           Admin  "GET /api/v1/networks"                     networks::list_csv;
        get  "/networks/{id}"          Admin  "GET /api/v1/networks/{id}"                networks::one;
        post "/networks/{id}/change"   Admin  "PATCH /api/v1/networks/{id}"              networks::change;
        post "/networks/{id}/join"     Admin  "PATCH /api/v1/networks/{id}"              networks::join;
        post "/networks/{id}/remove"   Admin  "DELETE /api/v1/networks/{id}"             networks::remove;

        get  "/images"                 User   "GET /api/v1/images"                       images::list;
        post "/images"                 Admin  "POST /api/v1/images"                      image_new::add;
        get  "/images.csv"             User   "GET /api/v1/images"                       images::list_csv;
        get  "/images/new"             Admin  ""                                         image_new::by_url;
        get  "/images/upload"          Admin  ""                                         image_new::by_file;
        post "/images/catalogue"       Admin  "POST /api/v1/images"                      images::from_catalogue;
        get  "/images/{id}"            User   "GET /api/v1/images/{id}"                  images::one;
        post "/images/{id}/retry"      Admin  "POST /api/v1/images/{id}/retry"           images::retry;
        post "/images/{id}/remove"     Admin  "DELETE /api/v1/images/{id}"               images::remove;

        get  "/people"                  Admin  "GET /api/v1/users"                      people::people;
        get  "/people.csv"              Admin  "GET /api/v1/users"                      people::people_csv;
        post "/people/{id}/state"       Admin  "PATCH /api/v1/users/{id}"               people::state;
        post "/people/{id}/role"        Admin  "PATCH /api/v1/users/{id}"               people::role;
        get  "/policy"                  Admin  "GET /api/v1/policy"                     people::policy;
        post "/policy"                  Admin  "PUT /api/v1/policy"                     people::set_policy;
        get  "/policy/moves"            Admin  "GET /api/v1/policy"                     move_policies::list;
        post "/policy/moves"            Admin  "PUT /api/v1/policy"                     move_policies::save;
        post "/policy/moves/remove"     Admin  "PUT /api/v1/policy"                     move_policies::remove;
        get  "/audit"                   Admin  "GET /api/v1/audit"                      people::audit;
        #[cfg(debug_assertions)]
        get  "/styleguide"              Admin  ""                                       people::styleguide;
    }
    // Their bodies may be large and take their time.
    large {
        post "/images/upload"           Admin  "POST /api/v1/images/upload"             image_new::upload;
    }
}
