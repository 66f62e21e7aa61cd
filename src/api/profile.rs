//! Changes to a person's profile, as a merge patch.

use serde_json::Value;

use super::body::merge;
use super::error::{ApiError, Detail};
use crate::protocol::claims::Profile;

/// Values that somebody may have verified, and the member that says so.
const VERIFIED: [(&str, &str); 2] = [("email", "email_verified"), ("phone_number", "phone_number_verified")];

/// Who asks for the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Editor {
    /// May say what was verified.
    Administrator,
    /// The person, who may not; nor change the e-mail address in passing.
    Owner,
}

/// The profile after the patch; `None` when nothing is left of it. A new address or number is not verified unless the
/// patch of somebody who may say so says so.
pub fn patched(present: Option<&Profile>, patch: Value, editor: Editor) -> Result<Option<Profile>, ApiError> {
    let before = present.map(serde_json::to_value).transpose().map_err(|_| unreadable())?.unwrap_or(Value::Null);
    let said = |name: &str| patch.get(name).is_some();
    if editor == Editor::Owner
        && let Some((_, flag)) = VERIFIED.iter().find(|(_, flag)| said(flag))
    {
        return Err(ApiError::invalid(vec![Detail::new(format!("profile.{flag}"), "not_yours_to_say")]));
    }
    let unsaid: Vec<_> = VERIFIED.into_iter().filter(|(_, flag)| !said(flag)).collect();
    let mut after = before.clone();
    merge(&mut after, patch);
    if let Value::Object(members) = &mut after {
        for (value, flag) in unsaid {
            if members.get(value) != before.get(value) {
                members.shift_remove(flag);
            }
        }
    }
    // An address is the way into the account, as soon as its mailbox proves it: its owner changes it by proving the new one.
    if editor == Editor::Owner && after.get("email") != before.get("email") {
        return Err(ApiError::invalid(vec![Detail::new("profile.email", "needs_proof")]));
    }
    match &after {
        Value::Null => return Ok(None),
        Value::Object(members) if members.is_empty() => return Ok(None),
        Value::Object(_) => {}
        _ => return Err(unreadable()),
    }
    let profile: Profile = serde_json::from_value(after).map_err(|_| unreadable())?;
    profile.check().map_err(|problem| ApiError::invalid(vec![Detail::new(format!("profile.{}", problem.claim), "invalid")]))?;
    Ok(Some(profile))
}

fn unreadable() -> ApiError {
    ApiError::invalid(vec![Detail::new("profile", "invalid")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn profile(value: Value) -> Profile {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn members_are_added_changed_and_removed_one_by_one() {
        let before = profile(json!({"name": "Ada", "nickname": "A", "locale": "en"}));
        let after =
            patched(Some(&before), json!({"name": "Ada L.", "nickname": null, "zoneinfo": "Europe/London"}), Editor::Owner);
        assert_eq!(after.unwrap().unwrap(), profile(json!({"name": "Ada L.", "locale": "en", "zoneinfo": "Europe/London"})));
    }

    #[test]
    fn a_profile_goes_as_a_whole_or_with_its_last_member() {
        let before = profile(json!({"name": "Ada"}));
        assert_eq!(patched(Some(&before), Value::Null, Editor::Administrator).unwrap(), None);
        assert_eq!(patched(Some(&before), json!({"name": null}), Editor::Administrator).unwrap(), None);
        assert_eq!(patched(None, json!({}), Editor::Administrator).unwrap(), None);
    }

    #[test]
    fn a_new_address_is_not_verified_because_the_old_one_was() {
        let before = profile(json!({"email": "ada@example.com", "email_verified": true}));
        let after = patched(Some(&before), json!({"email": "eve@example.com"}), Editor::Administrator).unwrap().unwrap();
        assert_eq!(after, profile(json!({"email": "eve@example.com"})));
        let same = patched(Some(&before), json!({"name": "Ada"}), Editor::Owner).unwrap().unwrap();
        assert_eq!(same.email_verified, Some(true));
        let patch = json!({"email": "eve@example.com", "email_verified": true});
        assert_eq!(patched(Some(&before), patch.clone(), Editor::Administrator).unwrap(), Some(profile(patch.clone())));
        assert!(patched(Some(&before), patch, Editor::Owner).is_err(), "nobody vouches for themselves");
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for patch in [json!("x"), json!([]), json!({"name": 1}), json!({"email": "nobody"}), json!({"is_admin": true})] {
            assert!(patched(None, patch.clone(), Editor::Administrator).is_err(), "{patch}");
        }
    }
}
