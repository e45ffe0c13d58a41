//! By mail.

use super::{MailTls, ToMail};
use crate::export::http::Attempt;
use bellwether_model::text::shown;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};
use secrecy::ExposeSecret;
use std::time::Duration;

/// A server that does not answer for this long is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// What mail servers answer who is not who they say; somebody may mend that.
const NOT_LET_IN: [&str; 4] = ["530", "534", "535", "538"];

/// Sends mail.
#[derive(Debug)]
pub(super) struct Mailer(ToMail);

impl Mailer {
    pub fn new(to: ToMail) -> Self {
        Self(to)
    }

    /// Sends it once, to one address.
    pub async fn send(&self, to: &str, subject: &str, body: String) -> Attempt {
        let message = match self.message(to, subject, body) {
            Ok(message) => message,
            Err(why) => return Attempt::Refused(why),
        };
        let transport = match self.transport().await {
            Ok(transport) => transport,
            Err(why) => return Attempt::Later(why, Duration::ZERO),
        };
        let sending = tokio::time::timeout(PATIENCE, transport.send(message));
        let Ok(sent) = sending.await else {
            let why = format!("it did not answer within {} s", PATIENCE.as_secs());
            return Attempt::Later(why, Duration::ZERO);
        };
        match sent {
            Ok(_) => Attempt::Taken,
            Err(error) => {
                let status = error.status().map(|code| code.to_string());
                let not_let_in = status.is_some_and(|code| NOT_LET_IN.contains(&code.as_str()));
                let why = told(&error);
                match error.is_permanent() && !not_let_in {
                    true => Attempt::Refused(why),
                    false => Attempt::Later(why, Duration::ZERO),
                }
            }
        }
    }

    fn message(&self, to: &str, subject: &str, body: String) -> Result<Message, String> {
        let mailbox = |address: &str| {
            let parsed = address.parse::<Mailbox>();
            parsed.map_err(|_| format!("'{}' is no mail address", shown(address)))
        };
        Message::builder()
            .from(mailbox(&self.0.from)?)
            .to(mailbox(to)?)
            .subject(subject)
            // Nobody's absence is to be told to a machine (RFC 3834).
            .raw_header(automatic())
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| format!("no mail can be made of it: {error}"))
    }

    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
        let to = &self.0;
        let tls = match to.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(self.parameters().await?),
            MailTls::Tls => Tls::Wrapper(self.parameters().await?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&to.server)
            .port(to.port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Ok(from) = to.from.parse::<Mailbox>() {
            builder = builder.hello_name(hello(&from.email));
        }
        if let Some((name, password)) = &to.credentials {
            let password = password.expose_secret().to_owned();
            builder = builder.credentials(Credentials::new(name.clone(), password));
        }
        Ok(builder.build())
    }

    async fn parameters(&self) -> Result<TlsParameters, String> {
        let mut parameters = TlsParameters::builder(self.0.server.clone());
        if let Some(file) = &self.0.ca_file {
            let failed = |error: &dyn std::fmt::Display| {
                format!("can't read the certificate {}: {error}", file.display())
            };
            let pem = tokio::fs::read(file)
                .await
                .map_err(|error| failed(&error))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| failed(&error))?;
            parameters = parameters.add_root_certificate(certificate);
        }
        parameters
            .build_rustls()
            .map_err(|error| format!("no TLS: {error}"))
    }
}

/// Whether mail can be sent to this: `admin@example.org`, or `Name <admin@example.org>`.
pub fn is_mail_address(text: &str) -> bool {
    text.parse::<Mailbox>().is_ok()
}

/// Who we say we are: the domain mail is from.
fn hello(from: &Address) -> ClientId {
    ClientId::Domain(from.domain().to_owned())
}

fn automatic() -> lettre::message::header::HeaderValue {
    let name = lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted");
    lettre::message::header::HeaderValue::new(name, "auto-generated".into())
}

/// What went wrong, down to its cause; no password is in it.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match error.status() {
        Some(code) => format!("it answers {code}: {}", shown(&cause.to_string())),
        None => shown(&cause.to_string()).to_string(),
    }
}
