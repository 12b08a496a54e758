//! Signing in: a name and a password, then the second factor where there is one or must be one.

use xunyuan_core::definition::{Catalog, RoleScope};
use xunyuan_core::id::UserId;

use super::password::fits;
use super::person::cookie_name;
use super::second_factor::SecondFactor;
use crate::app::App;
use crate::config::SecondFactorPolicy;
use crate::hub::{Account, Attempt, Session};
use crate::problem::Problem;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The person is in.
    In,
    /// The code of the second factor is missing.
    Code,
    /// The person must set a second factor up first.
    SetUp,
}

/// The cookie to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cookie(pub(crate) String);

impl Cookie {
    /// The cookie that carries a session.
    pub(crate) fn of(app: &App, token: &str) -> Self {
        Self(format!("{}={token}; {}", cookie_name(app), Self::terms(app)))
    }

    /// The cookie that takes it away.
    pub(crate) fn gone(app: &App) -> Self {
        Self(format!("{}=; Max-Age=0; {}", cookie_name(app), Self::terms(app)))
    }

    /// A link from a chat may open a page; a form or a script of another site carries no cookie.
    fn terms(app: &App) -> &'static str {
        if app.console.secure {
            "Path=/; HttpOnly; SameSite=Lax; Secure"
        } else {
            "Path=/; HttpOnly; SameSite=Lax"
        }
    }
}

/// Tries a name and a password; `None` where they do not fit or the account is locked for now. The answer
/// and its time do not tell which.
///
/// # Errors
/// 503 when too many wait; 500 when the store fails.
pub(crate) async fn sign_in(
    app: &App,
    name: &str,
    password: String,
    browser: String,
) -> Result<Option<(Step, Cookie)>, Problem> {
    let user = named(&app.hub.catalog(), name);
    let (account, is_right) = tried(app, user.as_ref(), password).await?;
    let (Some(user), Some(account), true) = (user, account, is_right) else { return Ok(None) };
    let step = next_step(app, &user, &account);
    let cookie = begin(app, &user, step != Step::In, browser, None).await?;
    Ok(Some((step, cookie)))
}

/// True where the password is the person's; counted as an attempt, and false while the account is locked.
///
/// # Errors
/// As [`sign_in`].
pub(crate) async fn is_right(app: &App, user: &UserId, password: String) -> Result<bool, Problem> {
    Ok(tried(app, Some(user), password).await?.1)
}

/// The account of a person, and whether the password is right; as slow for nobody.
async fn tried(
    app: &App,
    user: Option<&UserId>,
    password: String,
) -> Result<(Option<Account>, bool), Problem> {
    let account = match user.cloned() {
        Some(user) => {
            app.call(move |hub, _| hub.account(&user)).await?.map_err(|error| Problem::of(&error))?
        }
        None => None,
    };
    let is_locked = account.as_ref().is_some_and(|account| app.clock.now_ms() < account.locked_until_ms);
    let stored = account.as_ref().filter(|_| !is_locked).and_then(|account| account.password.clone());
    let is_right = fits(app, password, stored).await?;
    if let (Some(user), Some(_), false) = (user, &account, is_locked) {
        note(app, user, if is_right { Attempt::Good } else { Attempt::Wrong }).await?;
    }
    Ok((account, is_right))
}

/// Takes the code of the second factor: the session is whole then. `None` where the code is wrong, was used
/// before or the account is locked for now. `fresh` is a factor that is being set up with this code.
///
/// # Errors
/// As [`sign_in`].
pub(crate) async fn take_code(
    app: &App,
    half: &Session,
    code: &str,
    fresh: Option<SecondFactor>,
) -> Result<Option<Cookie>, Problem> {
    let user = half.user.clone();
    let asked = user.clone();
    let account = app.call(move |hub, _| hub.account(&asked)).await?.map_err(|error| Problem::of(&error))?;
    let Some(account) = account else { return Ok(None) };
    let now_ms = app.clock.now_ms();
    if now_ms < account.locked_until_ms {
        return Ok(None);
    }
    let factor = match (account.second_factor.as_deref(), &fresh) {
        (Some(secret), _) => SecondFactor::of(secret),
        (None, Some(fresh)) => fresh.clone(),
        (None, None) => return Ok(None),
    };
    let is_fresh = account.second_factor.is_none();
    let (whose, secret) = (user.clone(), factor.bytes());
    let taken = match factor.step_of(code, now_ms) {
        Some(step) => {
            let used = app.call(move |hub, _| {
                if is_fresh {
                    hub.put_second_factor(&whose, Some(secret))?;
                }
                hub.use_code(&whose, step)
            });
            used.await?.map_err(|error| Problem::of(&error))?
        }
        None => false,
    };
    if !taken {
        note(app, &user, Attempt::Wrong).await?;
        return Ok(None);
    }
    note(app, &user, Attempt::Good).await?;
    begin(app, &user, false, half.browser.clone(), Some(half.clone())).await.map(Some)
}

/// The person that a sign-in name means: an id, or a name that only one person has.
fn named(catalog: &Catalog, name: &str) -> Option<UserId> {
    let name = name.trim();
    let users = || catalog.organisation().into_iter().flat_map(|organisation| &organisation.users);
    let by_id = users().find(|user| user.id.eq_ignore_ascii_case(name));
    let mut same_name = users().filter(|user| !user.retired && user.name == name);
    let by_name = same_name.next().filter(|_| same_name.next().is_none());
    by_id.or(by_name).map(|user| UserId::new(user.id.clone()))
}

fn next_step(app: &App, user: &UserId, account: &Account) -> Step {
    if account.second_factor.is_some() {
        Step::Code
    } else if needs_factor(app, user) {
        Step::SetUp
    } else {
        Step::In
    }
}

/// True for a person who must have a second factor.
pub(crate) fn needs_factor(app: &App, user: &UserId) -> bool {
    let reaches_branch = |scope: RoleScope| matches!(scope, RoleScope::Branch | RoleScope::Audit);
    let is_branch = app.hub.catalog().user_roles(user).iter().any(|role| reaches_branch(role.scope));
    app.console.second_factor == SecondFactorPolicy::Branch && is_branch
}

async fn note(app: &App, user: &UserId, attempt: Attempt) -> Result<(), Problem> {
    let user = user.clone();
    let noted = app.call(move |hub, now_ms| hub.note_attempt(&user, attempt, now_ms)).await?;
    noted.map_err(|error| Problem::of(&error))
}

/// Every step has a cookie of its own: what was known before it opens nothing after it.
async fn begin(
    app: &App,
    user: &UserId,
    is_half: bool,
    browser: String,
    before: Option<Session>,
) -> Result<Cookie, Problem> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Problem::internal)?;
    let token = data_encoding::HEXLOWER.encode(&bytes);
    let cookie = Cookie::of(app, &token);
    let user = user.clone();
    let begun = app.call(move |hub, now_ms| {
        hub.begin_session(&token, &user, is_half, &browser, before.as_ref(), now_ms)
    });
    begun.await?.map_err(|error| Problem::of(&error))?;
    Ok(cookie)
}
