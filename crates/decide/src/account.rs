//! Is a new account acceptable? Passwords are never repeated in a message.

use bellwether_model::{
    FieldError,
    text::{is_hidden, shown},
};

/// What somebody typed to register; the password comes beside it, so that it can stay where secrets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountDraft {
    /// Login name.
    pub login: String,
    /// The person's name.
    pub full_name: String,
    /// Mail address.
    pub mail: String,
}

/// The account as it may be stored (login in lower case, no surrounding space), or each field with what is wrong.
pub fn validate(draft: &AccountDraft, password: &str) -> Result<AccountDraft, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let mut add = |field: &str, message: String| {
        wrong.push(FieldError {
            field: field.into(),
            message,
        });
    };
    let good = AccountDraft {
        login: login(&draft.login).unwrap_or_else(|why| {
            add("login", why);
            String::new()
        }),
        full_name: full_name(&draft.full_name).unwrap_or_else(|why| {
            add("full_name", why);
            String::new()
        }),
        mail: mail(&draft.mail).unwrap_or_else(|why| {
            add("mail", why);
            String::new()
        }),
    };
    if let Err(why) = check_password(password, &draft.login) {
        add("password", why);
    }
    if wrong.is_empty() {
        Ok(good)
    } else {
        Err(wrong)
    }
}

/// A login name: 2–32 of a–z, 0–9, `.`, `_`, `-`, beginning with a letter; capitals become small.
pub fn login(text: &str) -> Result<String, String> {
    let text = text.trim();
    let login = text.to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    let good = (2..=32).contains(&login.chars().count())
        && login.chars().all(allowed)
        && login.starts_with(|c: char| c.is_ascii_lowercase());
    if good {
        return Ok(login);
    }
    let rule = "2 to 32 of the letters a to z, digits, '.', '_' and '-' are accepted, beginning with a letter";
    Err(if text.is_empty() {
        format!("a login is missing; {rule}")
    } else {
        format!("'{}' can't be a login; {rule}", shown(text))
    })
}

/// What somebody typed for a login, in the form in which accounts are told apart.
pub fn login_key(text: &str) -> String {
    text.trim().to_lowercase()
}

/// A person's name: 1–100 characters of any script on one line.
pub fn full_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let length = text.chars().count();
    if length == 0 {
        Err("a name is missing; 1 to 100 characters are accepted".into())
    } else if length > 100 || text.chars().any(is_hidden) {
        Err(format!(
            "'{}' can't be a name; 1 to 100 visible characters of any script on one line are accepted",
            shown(text)
        ))
    } else {
        Ok(text.into())
    }
}

/// A mail address, as far as it can be judged without writing to it: one `@`, a name before it, a domain after it, at
/// most 254 characters (RFC 5321 §4.5.3.1).
pub fn mail(text: &str) -> Result<String, String> {
    let text = text.trim();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let good = text.len() <= 254
        && text.split_once('@').is_some_and(|(name, domain)| {
            (1..=64).contains(&name.len())
                && !name.contains(|c: char| {
                    c.is_whitespace() || is_hidden(c) || "<>()[]\\,;:\"@".contains(c)
                })
                && domain.split('.').all(label)
        });
    if good {
        Ok(text.into())
    } else if text.is_empty() {
        Err("a mail address is missing, such as anna@example.org".into())
    } else {
        Err(format!(
            "'{}' is not a mail address such as anna@example.org",
            shown(text)
        ))
    }
}

/// A password: 10–256 characters, not the login, not one character over and over.
pub fn check_password(password: &str, login: &str) -> Result<(), String> {
    let length = password.chars().count();
    let rule = "10 to 256 characters are accepted";
    if length == 0 {
        return Err(format!("a password is missing; {rule}"));
    }
    if !(10..=256).contains(&length) {
        return Err(format!("the password has {length} characters; {rule}"));
    }
    if password.trim().eq_ignore_ascii_case(login.trim()) {
        return Err(format!(
            "the password is the login; {rule}, other than the login"
        ));
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) {
        return Err("the password is one character over and over".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_and_mail_addresses() {
        assert_eq!(login(" Anna.B "), Ok("anna.b".into()));
        for wrong in [
            "",
            "a",
            "1anna",
            "anna b",
            "änna",
            "-anna",
            &"a".repeat(33),
            "a\n",
        ] {
            assert!(login(wrong).is_err(), "{wrong}");
        }
        for good in ["anna@example.org", "a+b@localhost", "x@münchen.example"] {
            assert_eq!(mail(good), Ok(good.into()));
        }
        for wrong in [
            "", "anna", "@x", "a@", "a@b@c", "a b@c", "a@b..c", "a@-b.c", "a\n@b.c", "<a@b.c>",
        ] {
            assert!(mail(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_of_any_script_but_show_all_they_have() {
        for good in ["Zoë O'Brien", "大橋", "👩\u{200d}🔬", " Ada "] {
            assert_eq!(full_name(good), Ok(good.trim().into()));
        }
        for wrong in [
            "",
            " ",
            "a\nb",
            "Ada\u{202e}nimda",
            "A\u{200b}da",
            &"x".repeat(101),
        ] {
            let why = full_name(wrong).unwrap_err();
            assert!(!why.contains('\u{202e}'), "{why}");
        }
        assert!(mail("ada\u{200b}@example.org").is_err());
        assert_eq!(login_key(" ADA\t"), "ada");
    }

    #[test]
    fn passwords_are_judged_and_never_repeated() {
        let draft = AccountDraft {
            login: "annabellamaria".into(),
            full_name: "Anna".into(),
            mail: "a@b.c".into(),
        };
        assert!(validate(&draft, "correct horse").is_ok());
        for (password, part) in [
            ("", "missing"),
            ("geheim123", "has 9 characters"),
            ("AnnabellaMaria", "is the login"),
            ("aaaaaaaaaaaa", "over and over"),
            (&"ab".repeat(129), "258 characters"),
        ] {
            let wrong = validate(&draft, password).unwrap_err();
            assert_eq!(wrong.len(), 1);
            assert_eq!(wrong[0].field, "password");
            assert!(wrong[0].message.contains(part), "{}", wrong[0].message);
            assert!(password.is_empty() || !wrong[0].message.contains(password));
        }
        let all: Vec<String> = validate(&AccountDraft::default(), "x")
            .unwrap_err()
            .into_iter()
            .map(|wrong| wrong.field)
            .collect();
        assert_eq!(all, ["login", "full_name", "mail", "password"]);
    }
}
