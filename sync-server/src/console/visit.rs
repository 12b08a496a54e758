//! What every page needs of its request: who looks, what they may see, in which language, at what time.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::Response;
use std::marker::PhantomData;
use std::sync::Arc;
use xunyuan_core::definition::{Catalog, Title};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DefinitionRef, UserId};
use xunyuan_core::report::{Names, Zone};
use xunyuan_core::rules::sheet::InspectionState;

use super::assets;
use super::lang::Lang;
use super::nav::{self, Area, NavItem};
use crate::app::App;
use crate::asked::{Asked, Look};
use crate::auth::{Fields, File, Person, Policy, Posted, Uploaded};
use crate::hub::{SERVER_USER, Session, Sight};
use crate::problem::Problem;

/// A signed-in person's look at one page.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) session: Session,
    pub(crate) csrf: String,
    pub(crate) lang: Lang,
    pub(crate) sight: Sight,
    pub(crate) asked: Asked,
    pub(crate) now_ms: i64,
    pub(crate) zone: Zone,
}

impl Visit {
    fn of<P: Policy>(app: &App, person: Person<P>, lang: Lang, asked: Asked) -> Self {
        let sight = app.hub.sight(person.user());
        let zone = Zone::of(sight.catalog());
        let (session, csrf) = (person.session, person.csrf);
        Self { session, csrf, lang, sight, asked, now_ms: app.clock.now_ms(), zone }
    }

    /// Reads of what the person may see, beside the async threads.
    ///
    /// # Errors
    /// What `work` fails with; 503 when the server has too much to do.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        app: &App,
        work: impl FnOnce(&Sight) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        app.see(&self.sight, work).await
    }

    /// What is asked for, by whom and when.
    pub(crate) const fn look(&self) -> Look<'_> {
        Look { asked: &self.asked, sight: &self.sight, zone: &self.zone, now_ms: self.now_ms }
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.session.user
    }

    pub(crate) const fn catalog(&self) -> &Arc<Catalog> {
        self.sight.catalog()
    }

    /// One of two texts.
    pub(crate) const fn t<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        self.lang.t(zh, en)
    }

    pub(crate) fn title<'t>(&self, title: &'t Title) -> &'t str {
        self.lang.title(title)
    }

    /// Names behind ids, looked up once for a whole list.
    pub(crate) fn names(&self) -> Names<'_> {
        Names::new(self.catalog(), self.lang.english)
    }

    /// A person's name.
    pub(crate) fn person(&self, id: &UserId) -> String {
        if id.as_str() == SERVER_USER {
            return self.t("分公司服务器", "branch server").to_owned();
        }
        self.catalog().user(id).map_or_else(|| id.to_string(), |user| user.name.clone())
    }

    /// The name of the person who looks.
    pub(crate) fn own_name(&self) -> String {
        self.person(self.user())
    }

    /// The main role of the person who looks.
    pub(crate) fn own_role(&self) -> &str {
        let role = self.catalog().user(self.user()).and_then(|user| self.catalog().role(&user.role));
        role.map_or("", |role| self.title(&role.title))
    }

    /// A project or the branch by its name.
    pub(crate) fn unit(&self, id: &str) -> String {
        let branch = self.catalog().organisation().map(|organisation| &organisation.branch);
        let project = self.catalog().project(id).map(|project| &project.title);
        let title = project.or_else(|| branch.filter(|branch| branch.id == id).map(|branch| &branch.title));
        title.map_or(id, |title| self.title(title)).to_owned()
    }

    /// The branch by its name.
    pub(crate) fn branch(&self) -> &str {
        self.catalog().organisation().map_or("", |organisation| self.title(&organisation.branch.title))
    }

    /// The name of a checklist or ledger, in the version that a record pins.
    pub(crate) fn kind(&self, reference: &DefinitionRef) -> String {
        let catalog = self.catalog();
        let title = catalog.ledger(reference).map(|ledger| &ledger.title);
        let title = title.or_else(|| catalog.checklist(reference).map(|list| &list.title));
        title.map_or_else(|| reference.id.clone(), |title| self.title(title).to_owned())
    }

    /// The name of a record's state.
    pub(crate) fn state(&self, reference: &DefinitionRef, state: &str) -> String {
        if let Some(ledger) = self.catalog().ledger(reference) {
            return ledger.state(state).map_or(state, |known| self.title(&known.title)).to_owned();
        }
        let all = [InspectionState::Open, InspectionState::Completed, InspectionState::Reviewed];
        let known = all.into_iter().find(|known| known.id() == state);
        known.map_or_else(|| state.to_owned(), |known| self.title(&known.title()).to_owned())
    }

    /// A moment as short as today allows: `09:06`, `11-23 09:06` or `2025-11-23`.
    pub(crate) fn when(&self, ms: &i64) -> String {
        let (then, now) = (self.zone.instant(*ms).civil(), self.zone.instant(self.now_ms).civil());
        let pattern = if then.date() == now.date() {
            "%H:%M"
        } else if then.year() == now.year() {
            "%m-%d %H:%M"
        } else {
            "%Y-%m-%d"
        };
        then.strftime(pattern).to_string()
    }

    /// A moment to the second.
    pub(crate) fn full(&self, ms: &i64) -> String {
        self.zone.instant(*ms).civil().strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// A moment for machines.
    pub(crate) fn iso(&self, ms: &i64) -> String {
        xunyuan_core::time::rfc3339(*ms, self.zone.instant(*ms).utc_offset_min)
    }

    /// How long ago a moment was, or how far ahead it is.
    pub(crate) fn ago(&self, ms: &i64) -> String {
        let minutes = (self.now_ms - ms) / 60_000;
        let (size, is_past) = (minutes.unsigned_abs(), minutes >= 0);
        let (count, zh, en) = match size {
            0 => return self.t("刚刚", "just now").to_owned(),
            1..=59 => (size, "分钟", "min"),
            60..=1_439 => (size / 60, "小时", "h"),
            _ => (size / 1_440, "天", "d"),
        };
        match (self.lang.english, is_past) {
            (false, true) => format!("{count} {zh}前"),
            (false, false) => format!("{count} {zh}后"),
            (true, true) => format!("{count} {en} ago"),
            (true, false) => format!("in {count} {en}"),
        }
    }

    /// The areas of the console that the person sees.
    pub(crate) fn nav(&self, area: &Area) -> Vec<NavItem> {
        nav::items(self, *area)
    }

    /// The version of the files that pages name.
    pub(crate) fn version(&self) -> &'static str {
        assets::version()
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Allowed::<()>::from_request_parts(parts, app).await.map(|allowed| allowed.visit)
    }
}

/// A look by a person who may do what `P` says.
#[derive(Clone, Debug)]
pub(crate) struct Allowed<P> {
    pub(crate) visit: Visit,
    policy: PhantomData<P>,
}

impl<P: Policy> FromRequestParts<App> for Allowed<P> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let person = Person::<P>::from_request_parts(parts, app).await?;
        let (lang, asked) = of_parts(parts, app).await?;
        Ok(Self { visit: Visit::of(app, person, lang, asked), policy: PhantomData })
    }
}

async fn of_parts(parts: &mut Parts, app: &App) -> Result<(Lang, Asked), Response> {
    let lang = Lang::of(&parts.headers);
    Ok((lang, Asked::from_request_parts(parts, app).await?))
}

/// A form that a person sent who may do what `P` says.
#[derive(Clone, Debug)]
pub(crate) struct Sent<P: Policy = ()> {
    pub(crate) visit: Visit,
    pub(crate) fields: Fields,
    policy: PhantomData<P>,
}

impl<P: Policy> FromRequest<App> for Sent<P> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let (lang, asked) = of_parts(&mut parts, app).await?;
        let Posted { person, fields } =
            Posted::<P>::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self { visit: Visit::of(app, person, lang, asked), fields, policy: PhantomData })
    }
}

/// Files that a person sent who may do what `P` says.
#[derive(Clone, Debug)]
pub(crate) struct SentFiles<P: Policy> {
    pub(crate) visit: Visit,
    pub(crate) fields: Fields,
    pub(crate) files: Vec<File>,
    policy: PhantomData<P>,
}

impl<P: Policy> FromRequest<App> for SentFiles<P> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let (lang, asked) = of_parts(&mut parts, app).await?;
        let sent = Uploaded::<P>::from_request(Request::from_parts(parts, body), app).await?;
        let Uploaded { person, fields, files } = sent;
        Ok(Self { visit: Visit::of(app, person, lang, asked), fields, files, policy: PhantomData })
    }
}
