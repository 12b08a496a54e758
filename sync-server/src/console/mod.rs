//! The branch console: the merged picture in a browser, for people.
//!
//! Receives requests of people who are signed in (`auth`), reads through what they may see (`hub::Sight`) and
//! writes through the door that phones use (`Hub::act`); hands on pages of HTML made on the server, files and
//! pictures. Forbidden here: SQL, rules, ids of definitions, script or style inside a page, and a way to the
//! hub that does not name who asks.

mod account;
mod answer;
mod assets;
mod audit;
mod begin;
mod chart;
mod charts;
mod clash;
mod conflicts;
mod definitions;
mod devices;
mod duties;
mod entry;
mod findings;
mod form;
mod grid;
mod hooks;
mod inspections;
mod lang;
mod ledgers;
mod listing;
mod live;
mod nav;
mod organisation;
mod overview;
mod plain;
mod proof;
mod qr;
mod record;
mod refusals;
mod reports;
mod sheet;
mod sign_in;
mod tokens;
mod tone;
mod visit;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::app::App;
use crate::auth::UPLOAD_BYTES_MAX;

pub(crate) use answer::nowhere;

/// Every page: path and handler.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::first))
        .route("/sign-in", get(sign_in::form).post(sign_in::enter))
        .route("/sign-in/code", get(sign_in::code_form).post(sign_in::code))
        .route("/sign-in/link/{secret}", get(sign_in::link_form).post(sign_in::set_password))
        .route("/sign-out", post(sign_in::leave))
        .route("/lang", get(sign_in::switch))
        .route("/ledgers", get(ledgers::all))
        .route("/ledgers/{id}", get(ledgers::one))
        .route("/ledgers/{id}/new", get(begin::form).post(begin::create))
        .route("/charts", get(charts::all))
        .route("/findings", get(findings::board))
        .route("/live", get(live::listen))
        .route("/inspections", get(inspections::list))
        .route("/account", get(account::show))
        .route("/account/password", post(account::password))
        .route("/account/factor", post(account::factor))
        .route("/account/tokens", get(tokens::show).post(tokens::create))
        .route("/account/tokens/{id}/revoke", post(tokens::revoke))
        .route("/reports", get(reports::all))
        .route("/reports/{id}", get(reports::one))
        .route(
            "/definitions",
            get(definitions::list).post(definitions::upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
        )
        .route("/organisation", get(organisation::show))
        .route("/people/{id}", get(organisation::person))
        .route("/people/{id}/link", post(organisation::link))
        .route("/people/{id}/sign-out", post(organisation::sign_out))
        .route("/audit", get(audit::log))
        .route("/audit/verify", post(audit::verify))
        .route("/definitions/{id}", get(definitions::one))
        .route("/duties", get(duties::list))
        .route("/duties/calendar", get(duties::calendar))
        .route("/conflicts", get(conflicts::inbox))
        .route("/refusals", get(refusals::list))
        .route("/webhooks", get(hooks::list).post(hooks::add))
        .route("/webhooks/{id}", get(hooks::show))
        .route("/webhooks/{id}/test", post(hooks::test))
        .route("/webhooks/{id}/again", post(hooks::again))
        .route("/webhooks/{id}/remove", post(hooks::remove))
        .route("/devices", get(devices::list))
        .route("/devices/invite", post(devices::invite))
        .route("/devices/{id}", get(devices::show))
        .route("/devices/{id}/revoke", post(devices::revoke))
        .route("/records/{id}/proof", get(proof::show))
        .route("/records/{id}", get(record::show))
        .route("/records/{id}/edit", post(record::edit))
        .route("/records/{id}/event/{kind}", post(record::event))
        .route("/records/{id}/line/{field}", post(record::line))
        .route("/records/{id}/decide", post(record::decide))
        .route("/records/{id}/review", post(record::review))
        .route("/static/{name}", get(assets::file))
        .layer(middleware::from_fn(answer::dress))
}
