//! The codes of refusals: stable for programs, tests and translations.

/// The document's definition version is not held here.
pub const UNKNOWN_DEFINITION: &str = "unknown_definition";
/// The scope does not carry records of this definition.
pub const WRONG_STREAM: &str = "wrong_stream";
/// The author is not a person of the organisation.
pub const UNKNOWN_USER: &str = "unknown_user";
/// The author holds no grant on the scope.
pub const SCOPE_NOT_GRANTED: &str = "scope_not_granted";
/// The author's roles may not write this.
pub const ROLE_NOT_ALLOWED: &str = "role_not_allowed";
/// Values or events carry another person's name.
pub const FOREIGN_AUTHOR: &str = "foreign_author";
/// The record has no creation event yet, or this would be a second one.
pub const CREATION: &str = "creation";
/// The record names another project than its scope, or none.
pub const WRONG_PROJECT: &str = "wrong_project";
/// A required field is missing.
pub const FIELD_REQUIRED: &str = "field_required";
/// The key is none that the definition declares.
pub const UNKNOWN_KEY: &str = "unknown_key";
/// The checklist has no such item.
pub const UNKNOWN_ITEM: &str = "unknown_item";
/// The choice has no such option.
pub const UNKNOWN_OPTION: &str = "unknown_option";
/// The option or field is kept for old records only.
pub const RETIRED: &str = "retired";
/// The value has another type than the definition asks for.
pub const WRONG_TYPE: &str = "wrong_type";
/// The number is outside its hard limits or has too many decimals.
pub const NUMBER_OUT_OF_RANGE: &str = "number_out_of_range";
/// The text is longer than allowed.
pub const TEXT_TOO_LONG: &str = "text_too_long";
/// The set or group holds as much as it may.
pub const TOO_MANY: &str = "too_many";
/// The field was already written and stays as it is.
pub const WRITE_ONCE: &str = "write_once";
/// Only the branch server writes this.
pub const SERVER_ONLY: &str = "server_only";
/// The field follows from events and is never written.
pub const DERIVED: &str = "derived";
/// The event's ancestry does not name what its author had seen.
pub const EVENT_ANCESTRY: &str = "event_ancestry";
/// The definition has no such event.
pub const UNKNOWN_EVENT: &str = "unknown_event";
/// The event was written for another state than the record was in.
pub const STATE_MISMATCH: &str = "state_mismatch";
/// The event is not allowed in this state.
pub const TRANSITION_NOT_ALLOWED: &str = "transition_not_allowed";
/// The condition of the transition does not hold.
pub const GUARD_FAILED: &str = "guard_failed";
/// The transition asks for something that was not given.
pub const REQUIREMENT_MISSING: &str = "requirement_missing";
/// The record is in a final state: reopen it first.
pub const FINAL_STATE: &str = "final_state";
/// The sheet is finished: amend it with a reason.
pub const AMENDMENT_NEEDED: &str = "amendment_needed";
/// A resolve event names nothing that can be resolved, or brings no value.
pub const RESOLVE_TARGET: &str = "resolve_target";
/// The sheet still lacks answers or evidence.
pub const INCOMPLETE: &str = "incomplete";
/// An auditor may not audit the own project.
pub const OWN_WORK: &str = "own_work";
/// The work builds on changes that the branch refused.
pub const BUILDS_ON_REFUSED: &str = "builds_on_refused";
/// The work could not be read any more when the device's file was opened.
pub const DAMAGED: &str = "damaged";
/// The work builds on changes that a damage of the device's file took.
pub const BUILDS_ON_DAMAGED: &str = "builds_on_damaged";
/// The record holds as many changes as one may and is sealed.
pub const DOCUMENT_FULL: &str = "document_full";
