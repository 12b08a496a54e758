//! Signing in and out, and setting a password by a link.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use xunyuan_core::error::{Error, Sentence};
use xunyuan_core::id::UserId;

use super::answer::{Page, with_status};
use super::assets;
use super::lang::{self, Lang};
use super::qr;
use super::visit::Sent;
use crate::app::App;
use crate::asked::Asked;
use crate::auth::{self, Cookie, Fields, Half, HalfSent, SecondFactor, Step, Weakness};
use crate::problem::Problem;

/// What stands in the head of pages that nobody is signed in for.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) lang: Lang,
    pub(crate) branch: String,
    pub(crate) address: String,
}

impl Front {
    fn of(app: &App, lang: Lang, asked: &Asked) -> Self {
        let catalog = app.hub.catalog();
        let branch =
            catalog.organisation().map(|organisation| lang.title(&organisation.branch.title).to_owned());
        Self { lang, branch: branch.unwrap_or_default(), address: asked.address() }
    }

    pub(crate) const fn t<'t>(&self, zh: &'t str, en: &'t str) -> &'t str {
        self.lang.t(zh, en)
    }

    pub(crate) fn version(&self) -> &'static str {
        assets::version()
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    f: Front,
    name: String,
    to: String,
    failed: Option<Sentence>,
}

/// `GET /sign-in`
pub(crate) async fn form(State(app): State<App>, lang: Lang, asked: Asked) -> Response {
    let failed = asked.flag("again").then(|| {
        Sentence::new(
            "浏览器没有带回登录凭证:除本机外,控制台须通过 HTTPS 访问",
            "the browser did not send the session back: except on this machine, the console needs HTTPS",
        )
    });
    let to = asked.shown("to").to_owned();
    Page(SignInPage { f: Front::of(&app, lang, &asked), name: String::new(), to, failed }).into_response()
}

/// `POST /sign-in`
pub(crate) async fn enter(
    State(app): State<App>,
    lang: Lang,
    asked: Asked,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (name, to) = (fields.text("name").to_owned(), fields.text("to").to_owned());
    let password = fields.raw("password").to_owned();
    let Some((step, cookie)) = auth::sign_in(&app, &name, password, browser.to_owned()).await? else {
        let failed = Some(Sentence::new(
            "用户名或口令不对,或因多次输错被暂时锁定。请稍后再试;忘记口令请向分公司要一个新的链接。",
            "The name or password is wrong, or the account is locked for a while after several wrong attempts. \
             Try again later; if you forgot the password, ask the branch for a new link.",
        ));
        let page = SignInPage { f: Front::of(&app, lang, &asked), name, to, failed };
        return Ok(with_status(StatusCode::UNPROCESSABLE_ENTITY, Page(page)));
    };
    let next = match step {
        Step::In => own_path(&to).to_owned(),
        Step::Code | Step::SetUp => "/sign-in/code".to_owned(),
    };
    Ok(go(&next, &cookie))
}

/// A path of this console to go on to; anything else is the first page.
fn own_path(to: &str) -> &str {
    let is_ours = to.starts_with('/') && !to.starts_with("//") && !to.contains('\\') && !to.contains("sign-");
    if is_ours && to.chars().all(|c| !c.is_control()) { to } else { "/" }
}

fn go(to: &str, cookie: &Cookie) -> Response {
    (AppendHeaders([(header::SET_COOKIE, cookie.0.clone())]), Redirect::to(to)).into_response()
}

#[derive(Template)]
#[template(path = "sign_in_code.html")]
struct CodePage {
    f: Front,
    csrf: String,
    /// What an app reads, where the factor is being set up.
    fresh: Option<Fresh>,
    failed: bool,
}

/// A second factor to set up.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    pub(crate) picture: String,
    pub(crate) spelled: String,
    pub(crate) secret: String,
}

impl Fresh {
    /// A fresh factor of a person, drawn.
    pub(crate) fn of(issuer: &str, user: &UserId, factor: &SecondFactor) -> Result<Self, Error> {
        let picture = qr::picture(&factor.link(issuer, user.as_str()))?;
        let secret = data_encoding::HEXLOWER.encode(&factor.bytes());
        Ok(Self { picture, spelled: factor.spelled(), secret })
    }

    /// A factor that was never used, from random bytes.
    pub(crate) fn factor() -> Result<SecondFactor, Problem> {
        let mut bytes = [0; 20];
        getrandom::fill(&mut bytes).map_err(Problem::internal)?;
        Ok(SecondFactor::fresh(bytes))
    }

    /// The factor that a form carries back.
    pub(crate) fn returned(fields: &Fields) -> Option<SecondFactor> {
        let bytes = data_encoding::HEXLOWER.decode(fields.text("secret").as_bytes()).ok()?;
        (bytes.len() == 20).then(|| SecondFactor::of(&bytes))
    }
}

/// `GET /sign-in/code`
pub(crate) async fn code_form(
    State(app): State<App>,
    lang: Lang,
    asked: Asked,
    half: Half,
) -> Result<Response, Problem> {
    code_page(&app, lang, &asked, &half, None, false).await
}

async fn code_page(
    app: &App,
    lang: Lang,
    asked: &Asked,
    half: &Half,
    fresh: Option<SecondFactor>,
    failed: bool,
) -> Result<Response, Problem> {
    let user = half.session.user.clone();
    let account = app.call(move |hub, _| hub.account(&user)).await?.map_err(|error| Problem::of(&error))?;
    let has_factor = account.is_some_and(|account| account.second_factor.is_some());
    let f = Front::of(app, lang, asked);
    let fresh = if has_factor {
        None
    } else {
        let factor = fresh.map_or_else(Fresh::factor, Ok)?;
        let issuer = if f.branch.is_empty() { "xunyuan".to_owned() } else { f.branch.clone() };
        Some(Fresh::of(&issuer, &half.session.user, &factor).map_err(|error| Problem::of(&error))?)
    };
    let page = Page(CodePage { f, csrf: half.csrf.clone(), fresh, failed });
    Ok(if failed { with_status(StatusCode::UNPROCESSABLE_ENTITY, page) } else { page.into_response() })
}

/// `POST /sign-in/code`
pub(crate) async fn code(
    State(app): State<App>,
    lang: Lang,
    asked: Asked,
    HalfSent { half, fields }: HalfSent,
) -> Result<Response, Problem> {
    let fresh = Fresh::returned(&fields);
    match auth::take_code(&app, &half.session, fields.text("code"), fresh.clone()).await? {
        Some(cookie) => Ok(go("/", &cookie)),
        None => code_page(&app, lang, &asked, &half, fresh, true).await,
    }
}

/// `POST /sign-out`
pub(crate) async fn leave(State(app): State<App>, sent: Sent) -> Result<Response, Problem> {
    let session = sent.visit.session;
    let everywhere = sent.fields.text("everywhere") == "1";
    let ended =
        app.call(
            move |hub, _| {
                if everywhere { hub.end_sessions(&session.user) } else { hub.end_session(&session) }
            },
        );
    ended.await?.map_err(|error| Problem::of(&error))?;
    Ok(go("/sign-in", &Cookie::gone(&app)))
}

#[derive(Template)]
#[template(path = "password.html")]
struct PasswordPage {
    f: Front,
    /// Whose password it sets; `None` where the link is of no use.
    name: Option<String>,
    user: String,
    failed: Option<Sentence>,
}

/// `GET /sign-in/link/{secret}`
pub(crate) async fn link_form(
    State(app): State<App>,
    lang: Lang,
    asked: Asked,
    Path(secret): Path<String>,
) -> Result<Response, Problem> {
    link_page(&app, lang, &asked, &secret, None).await
}

async fn link_page(
    app: &App,
    lang: Lang,
    asked: &Asked,
    secret: &str,
    failed: Option<Sentence>,
) -> Result<Response, Problem> {
    let f = Front::of(app, lang, asked);
    let secret = secret.to_owned();
    let known = app.call(move |hub, now_ms| hub.link_user(&secret, now_ms)).await?;
    Ok(match known.map_err(|error| Problem::of(&error))? {
        Ok(user) => {
            let name = app.hub.catalog().user(&user).map(|known| known.name.clone());
            let is_again = failed.is_some();
            let page = PasswordPage { f, name, user: user.to_string(), failed };
            if is_again {
                with_status(StatusCode::UNPROCESSABLE_ENTITY, Page(page))
            } else {
                Page(page).into_response()
            }
        }
        Err(refusal) => {
            let page = PasswordPage { f, name: None, user: String::new(), failed: Some(refusal.sentence) };
            with_status(StatusCode::GONE, Page(page))
        }
    })
}

/// `POST /sign-in/link/{secret}`
pub(crate) async fn set_password(
    State(app): State<App>,
    lang: Lang,
    asked: Asked,
    Path(secret): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    let asked_for = secret.clone();
    let known = app.call(move |hub, now_ms| hub.link_user(&asked_for, now_ms)).await?;
    let Ok(user) = known.map_err(|error| Problem::of(&error))? else {
        return link_page(&app, lang, &asked, &secret, None).await;
    };
    let name = app.hub.catalog().user(&user).map(|known| known.name.clone()).unwrap_or_default();
    let (password, again) = (fields.raw("password"), fields.raw("again"));
    if let Some(weakness) = auth::weakness(password, again, &[user.as_str(), &name]) {
        return link_page(&app, lang, &asked, &secret, Some(told(weakness))).await;
    }
    let stored = auth::stored(&app, password.to_owned()).await?;
    let set = app.call(move |hub, now_ms| hub.set_password(&secret, stored, now_ms)).await?;
    match set.map_err(|error| Problem::of(&error))? {
        Ok(_) => Ok(Redirect::to("/sign-in").into_response()),
        Err(refusal) => Err(Problem::refused(refusal)),
    }
}

/// What is wrong with a password, and what would do.
pub(super) fn told(weakness: Weakness) -> Sentence {
    match weakness {
        Weakness::Mistyped => Sentence::new("两次输入的口令不一致", "the two passwords are not the same"),
        Weakness::Short => Sentence::new(
            "口令至少 10 个字符;几个不相关的词连起来又长又好记",
            "a password has at least 10 characters; a few unrelated words are long and easy to keep",
        ),
        Weakness::Long => Sentence::new("口令最多 200 个字符", "a password has at most 200 characters"),
        Weakness::Guessable => Sentence::new(
            "这个口令太容易猜到:不要用重复字符、姓名或人员编号",
            "this password is easily guessed: no repeated characters, no name and no id",
        ),
    }
}

/// `GET /lang`: switches the language and goes back.
pub(crate) async fn switch(State(app): State<App>, asked: Asked) -> Response {
    let code = if asked.text("to") == Some("en") { "en" } else { "zh" };
    let secure = if app.console.secure { "; Secure" } else { "" };
    let cookie = format!("{}={code}; Path=/; Max-Age=31536000; SameSite=Lax{secure}", lang::COOKIE);
    let back = asked.text("back").unwrap_or("/");
    let back = if back.starts_with("/sign-in") { back } else { own_path(back) };
    go(back, &Cookie(cookie))
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn signing_in_leads_to_pages_of_ours_only() {
        assert_eq!(own_path("/ledgers?q=a"), "/ledgers?q=a");
        for foreign in
            ["", "//evil.example", "https://evil.example", "/\\evil.example", "/sign-out", "/a\r\nb"]
        {
            assert_eq!(own_path(foreign), "/", "{foreign}");
        }
    }
}
