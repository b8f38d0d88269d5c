//! Mailboxes that visitors name.

use std::fmt;

use lettre::Address;

/// The longest address, and the longest part before the `@`, in bytes (RFC 5321).
const LONGEST: usize = 254;
const LONGEST_USER: usize = 64;

/// A mailbox that a visitor named. It prints as `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox(String);

/// A text that is no address to which mails are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write an address such as name@example.org")]
pub struct MailboxError;

impl Mailbox {
    /// The mailbox of an address. Its domain, in which case means nothing, becomes lower case.
    ///
    /// # Errors
    ///
    /// When it is no address of ASCII at a domain of several names: quoted names and addresses of machines are refused too, because
    /// nobody has them but who tries things out.
    pub fn parse(text: &str) -> Result<Self, MailboxError> {
        let address: Address = text.trim().parse().map_err(|_| MailboxError)?;
        let (user, domain) = (address.user(), address.domain().to_ascii_lowercase());
        let is_plain = |part: &str| {
            part.is_ascii() && !part.contains(['"', '[', ']', '\\', ',', ';', ':', ' ', '<', '>', '(', ')'])
        };
        let is_usual = is_plain(user) && is_plain(&domain) && domain.contains('.') && user.len() <= LONGEST_USER;
        let address = format!("{user}@{domain}");
        (is_usual && address.len() <= LONGEST).then_some(Self(address)).ok_or(MailboxError)
    }

    /// The address, which is private.
    pub fn address(&self) -> &str {
        &self.0
    }

    /// What all ways to write this mailbox have in common, as nearly all servers take them: case means nothing.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// What all mailboxes of one owner have in common at many servers: case and what follows a `+` mean nothing.
    pub fn owner(&self) -> String {
        let folded = self.folded();
        match folded.split_once('@') {
            Some((user, domain)) => {
                let name = user.split('+').next().filter(|name| !name.is_empty()).unwrap_or(user);
                format!("{name}@{domain}")
            }
            None => folded,
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_form_however_it_is_written() {
        let all =
            ["Some.Body+nodes@Example.ORG", " some.body+nodes@example.org "].map(|text| Mailbox::parse(text).unwrap());
        assert_eq!(all[0].address(), "Some.Body+nodes@example.org");
        assert_eq!((all[0].folded(), all[0].owner()), (all[1].folded(), "some.body@example.org".to_owned()));
        assert_eq!(Mailbox::parse("+@example.org").unwrap().owner(), "+@example.org");
        assert_eq!(format!("{:?}", all[0]), "Mailbox([redacted])");
    }

    #[test]
    fn what_is_no_usual_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(65));
        let wrong = [
            "",
            "a",
            "@example.org",
            "a@",
            "a@b@example.org",
            "a@localhost",
            "a@[192.0.2.1]",
            "\"a b\"@example.org",
            "a b@example.org",
            "a@example.org, b@example.org",
            "a@example.org\r\nBcc: b@example.org",
            "a@exämple.org",
            "Name <a@example.org>",
            &long,
        ];
        for text in wrong {
            assert_eq!(Mailbox::parse(text), Err(MailboxError), "{text:?}");
        }
    }
}
