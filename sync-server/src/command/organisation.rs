//! `org show`: the branch with its districts and projects, who works where and who answers to whom.

use serde_json::{Value, json};
use xunyuan_core::definition::{Catalog, Project, User};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::UserId;

use super::Context;
use super::output::{Lang, Report, table};

/// Shows the organisation in force.
pub(super) fn show(context: &Context) -> Result<Report, Error> {
    let hub = context.hub()?;
    let catalog = hub.catalog();
    hub.close()?;
    let Some(organisation) = catalog.organisation() else {
        return Err(Error::new(
            ErrorKind::NotFound,
            "还没有组织;请先用 org load 或 org import 载入",
            "there is no organisation yet; load one with org load or org import",
        ));
    };
    let lang = context.lang;
    let header = match lang {
        Lang::Zh => ["片区", "单位", "人员", "岗位", "部门", "上级"],
        Lang::En => ["district", "unit", "person", "role", "department", "answers to"],
    };
    let mut rows = Vec::new();
    let at_branch = organisation.users.iter().filter(|user| user.project.is_none() && !user.retired);
    let branch = lang.pick(&organisation.branch.title.zh, &organisation.branch.title.en);
    rows.extend(at_branch.map(|user| line(&catalog, lang, "", branch, user)));
    for project in organisation.projects.iter().filter(|project| !project.retired) {
        let district = organisation.districts.iter().find(|one| Some(&one.id) == project.district.as_ref());
        let district = district.map_or("", |district| lang.pick(&district.title.zh, &district.title.en));
        let unit = lang.pick(&project.title.zh, &project.title.en);
        rows.extend(
            people(&organisation.users, project).map(|user| line(&catalog, lang, district, unit, user)),
        );
    }
    let projects: Vec<Value> = organisation.projects.iter().filter(|one| !one.retired).map(|project| {
        json!({ "id": project.id, "title": titles(&project.title), "district": project.district })
    }).collect();
    let users = organisation.users.iter().filter(|user| !user.retired);
    let json = json!({
        "id": organisation.id,
        "version": organisation.version,
        "branch": { "id": organisation.branch.id, "title": titles(&organisation.branch.title) },
        "districts": organisation.districts.iter()
            .map(|district| json!({ "id": district.id, "title": titles(&district.title) })).collect::<Vec<_>>(),
        "projects": projects,
        "people": users.map(|user| person(&catalog, user)).collect::<Vec<_>>(),
    });
    Ok(Report::done(json, table(&header, &rows)))
}

fn people<'u>(users: &'u [User], project: &'u Project) -> impl Iterator<Item = &'u User> {
    users.iter().filter(|user| user.project.as_ref() == Some(&project.id) && !user.retired)
}

fn titles(title: &xunyuan_core::definition::Title) -> Value {
    json!({ "zh": title.zh, "en": title.en })
}

fn line(catalog: &Catalog, lang: Lang, district: &str, unit: &str, user: &User) -> Vec<String> {
    let role = |id: &str| {
        catalog
            .role(id)
            .map_or_else(|| id.to_owned(), |role| lang.pick(&role.title.zh, &role.title.en).to_owned())
    };
    let department = user.dept.as_deref().and_then(|id| catalog.department(id));
    let roles: Vec<String> = user.roles().map(role).collect();
    let above: Vec<&str> =
        catalog.superiors(&UserId::new(&user.id)).into_iter().map(|user| user.name.as_str()).collect();
    vec![
        district.to_owned(),
        unit.to_owned(),
        format!("{} {}", user.name, user.id),
        roles.join(lang.pick("、", ", ")),
        department.map_or("", |department| lang.pick(&department.title.zh, &department.title.en)).to_owned(),
        above.join(lang.pick("、", ", ")),
    ]
}

fn person(catalog: &Catalog, user: &User) -> Value {
    let id = UserId::new(&user.id);
    let ids = |users: Vec<&User>| users.into_iter().map(|user| user.id.clone()).collect::<Vec<_>>();
    json!({
        "id": user.id,
        "name": user.name,
        "roles": user.roles().collect::<Vec<_>>(),
        "project": user.project,
        "lent": user.lent.iter().map(|one| json!({ "project": one.project, "role": one.role })).collect::<Vec<_>>(),
        "department": user.dept,
        "answers_to": ids(catalog.superiors(&id)),
        "leads": ids(catalog.subordinates(&id)),
        "scopes": catalog.grants(&id).into_iter().map(|scope| scope.0).collect::<Vec<_>>(),
    })
}
