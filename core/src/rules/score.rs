//! The score of a sheet: weights, exclusions, critical items, clashes counted as failures.

use super::sheet::{InspectionView, ItemView, Score};
use crate::definition::{Catalog, Checklist, Item, ItemKind, ResponseOption, ScoringMethod};
use crate::document::model::Stamped;

/// The share of its weight that an item scores; `None` where it does not count.
///
/// A clash that nobody has decided scores nothing; a number scores by its failing condition alone.
pub(crate) fn of_item(
    item: &Item,
    chosen: &[&ResponseOption],
    answers: &[Stamped],
    is_clash: bool,
    is_fail: bool,
) -> Option<f64> {
    match item.kind {
        ItemKind::Choice if is_clash => Some(0.0),
        ItemKind::Choice => {
            chosen.first().filter(|option| !option.excluded_from_score).and_then(|option| option.score)
        }
        ItemKind::Number if item.fail_if.is_some() && !answers.is_empty() => {
            Some(if is_fail { 0.0 } else { 1.0 })
        }
        ItemKind::Number | ItemKind::Text | ItemKind::Date | ItemKind::Time => None,
    }
}

/// The severity of the finding that a failing item raises: from the options where the checklist says
/// so (the highest where people differ), else the item's own.
pub(crate) fn severity(
    catalog: &Catalog,
    item: &Item,
    chosen: &[&ResponseOption],
    is_fail: bool,
) -> Option<String> {
    let spec = item.on_fail.as_ref().and_then(|on_fail| on_fail.create_finding.as_ref()).filter(|_| is_fail);
    let of_options = || {
        let rank = |id: &str| {
            let model = catalog.nonconformity();
            model.and_then(|model| model.severities.iter().position(|severity| severity.id == id))
        };
        chosen.iter().filter_map(|option| option.finding_severity.as_deref()).max_by_key(|id| rank(id))
    };
    let from_option = match spec {
        Some(spec) if !spec.severity_from_option => None,
        _ if is_fail => of_options(),
        _ => None,
    };
    from_option.map(str::to_owned).or_else(|| spec.and_then(|spec| spec.default_severity.clone()))
}

/// The result of the visible items under the checklist's method.
pub(crate) fn score(checklist: &Checklist, view: &InspectionView) -> Score {
    let scoring = &checklist.scoring;
    let items: Vec<&ItemView> = view
        .sections
        .iter()
        .flat_map(|section| &section.items)
        .filter(|item| item.is_visible && !item.answers.is_empty())
        .collect();
    let judged: Vec<&ItemView> = items.iter().copied().filter(|item| item.score.is_some()).collect();
    let failed = items.iter().filter(|item| item.is_fail);
    let counts = scoring.report_counts.iter().map(|severity| {
        let of = items.iter().filter(|item| item.severity.as_deref() == Some(severity));
        (severity.clone(), small(of.count()))
    });
    let mut score = Score {
        percent: match scoring.method {
            ScoringMethod::WeightedPercent => weighted(&judged),
            ScoringMethod::ConformityRate => conforming(&judged),
            ScoringMethod::CountFail | ScoringMethod::None => None,
        },
        counted: small(judged.len()),
        failed: small(failed.clone().count()),
        critical_failed: small(failed.filter(|item| item.critical).count()),
        excluded: small(
            items.iter().filter(|item| item.kind == ItemKind::Choice && item.score.is_none()).count(),
        ),
        counts: counts.collect(),
        passed: None,
    };
    score.passed = verdict(checklist, view, &score);
    score
}

fn weighted(judged: &[&ItemView]) -> Option<f64> {
    let whole: f64 = judged.iter().map(|item| item.weight).sum();
    let scored: f64 = judged.iter().map(|item| item.weight * item.score.unwrap_or(0.0)).sum();
    (whole > 0.0).then(|| percent(scored, whole))
}

fn conforming(judged: &[&ItemView]) -> Option<f64> {
    let conforming = judged.iter().filter(|item| item.score.is_some_and(|score| score >= 1.0)).count();
    (!judged.is_empty()).then(|| percent(f64::from(small(conforming)), f64::from(small(judged.len()))))
}

/// A percentage to two decimals, so that every device prints the same.
fn percent(part: f64, whole: f64) -> f64 {
    (part / whole * 10_000.0).round() / 100.0
}

fn verdict(checklist: &Checklist, view: &InspectionView, score: &Score) -> Option<bool> {
    let scoring = &checklist.scoring;
    if score.critical_failed > 0 && scoring.critical_fail_result.is_some() {
        return Some(false);
    }
    let is_answered = view
        .sections
        .iter()
        .flat_map(|section| &section.items)
        .all(|item| !item.is_visible || !item.required || !item.answers.is_empty());
    if !is_answered {
        return None;
    }
    match scoring.method {
        ScoringMethod::WeightedPercent | ScoringMethod::ConformityRate => {
            scoring.pass_threshold_percent.zip(score.percent).map(|(threshold, percent)| percent >= threshold)
        }
        ScoringMethod::CountFail => Some(score.failed == 0),
        ScoringMethod::None => None,
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
