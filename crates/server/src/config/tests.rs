use super::*;

const EXAMPLE: &str = include_str!("../../../../deploy/bellwetherd.toml");

/// Everything comparable of a configuration, secrets included (tests only).
fn shown(config: &Config) -> String {
    format!(
        "{config:?} {:?}",
        config.database.as_ref().map(|url| url.expose_secret())
    )
}

#[test]
fn the_example_is_the_default() {
    let example = Config::parse(EXAMPLE).unwrap();
    assert_eq!(shown(&example), shown(&Config::default()));
}

#[test]
fn the_examples_commented_keys_are_real_ones_too() {
    // A commented setting is `#key = value` or `#[section]` without a space; prose has one.
    let all: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', '#']) && !rest.is_empty() => rest,
            _ => line,
        })
        // Of two ways to say the same only one may be taken.
        .filter(|line| !line.starts_with("database_file") && *line != "trusted_proxy = []")
        .map(|line| format!("{line}\n"))
        .collect();
    let config = Config::parse(&all).unwrap();
    assert!(config.tls.is_some());
    assert!(!config.trusted_proxy.is_empty());
    assert!(config.time_zone.is_some());
    assert!(config.database.is_some());
    assert_eq!((config.graphite.len(), config.remote_write.len()), (2, 2));
    assert!(config.mail.is_some() && config.webhooks.len() == 2);
    // Every key of the structure is mentioned.
    let debug = format!("{:?}", Config::default());
    for key in debug
        .split([' ', '{', '}'])
        .filter_map(|word| word.strip_suffix(':'))
    {
        assert!(EXAMPLE.contains(key), "{key} is not in the example");
    }
}

#[test]
fn refusals_name_the_key_and_what_would_do() {
    for (text, expect) in [
        ("lisen = \"127.0.0.1:1\"", "lisen"),
        ("[limits]\nrequest_per_second = 1", "request_per_second"),
        ("listen = \"0.0.0.0:80\"", "trusted_proxy"),
        ("listen = \"nowhere\"", "listen"),
        ("sample_period_seconds = 0", "1 to 3600"),
        ("sample_period_seconds = -1", "sample_period_seconds"),
        ("memory_period_seconds = 5", "10 (sample_period_seconds)"),
        ("disk_period_seconds = 90000", "to 86400"),
        ("places_period_seconds = 0", "places_period_seconds = 0"),
        ("[metrics]\nlisten = \"0.0.0.0:9177\"", "metrics.token_file"),
        (
            "[mail]\nserver = \"m:25\"\nfrom = \"a@b.c\"",
            "server = \"m:25\"",
        ),
        (
            "[mail]\nserver = \"m\"\nfrom = \"nobody\"",
            "'nobody' is no mail address",
        ),
        (
            "[mail]\nserver = \"m\"\nfrom = \"a@b.c\"\nusername = \"u\"",
            "go together",
        ),
        (
            "[mail]\nserver = \"m\"\nfrom = \"a@b.c\"\nusername = \"u\"\npassword_file = \"/p\"\ntls = \"none\"",
            "in the clear",
        ),
        (
            "[mail]\nserver = \"m\"\nfrom = \"a@b.c\"\npassword = \"p\"",
            "password",
        ),
        ("webhooks = [\"ftp://x\"]", "http://"),
        (
            "webhooks = [\"https://u:p@x/\"]",
            "without name and password",
        ),
        ("webhooks = [{}]", "url_file"),
        ("webhooks = [{ url_file = \"/f\" }]", "needs a name"),
        (
            "webhooks = [\"https://x/a\", \"https://x/b\"]",
            "given twice",
        ),
        ("[metrics]\ntoken = \"x\"", "token"),
        ("graphite = [\"nowhere\"]", "host:port"),
        ("graphite = [\":2003\"]", "host:port"),
        (
            "graphite = [{ address = \"a:2003\", prefix = \"a..b\" }]",
            "prefix \"a..b\"",
        ),
        ("graphite = [{ address = \"a:2003\", tags = true }]", "tags"),
        (
            "graphite = [{ address = \"a:2003\", keep_seconds = 1 }]",
            "10 to 86400",
        ),
        (
            "graphite = [\"a:1\", { address = \"a:1\", tagged = true }]",
            "given twice",
        ),
        ("graphite = [\"tcp://a:1\"]", "host:port"),
        ("graphite = [7]", "an address or a table"),
        ("remote_write = [\"ftp://a\"]", "http://"),
        ("remote_write = [\"http:///write\"]", "name a host"),
        (
            "remote_write = [\"http://u:hunter2@a/write\"]",
            "password_file",
        ),
        (
            "remote_write = [{ url = \"http://a\", username = \"u\" }]",
            "go together",
        ),
        ("time_zone = \"Mars/Olympus\"", "Mars/Olympus"),
        ("trusted_proxy = [\"10.0.0.0/33\"]", "10.0.0.0/33"),
        ("database = \"a\"\ndatabase_file = \"b\"", "keep one"),
        ("[tls]\ncertificate = \"a\"", "key"),
        ("[limits]\nconnections = 0", "limits.connections"),
    ] {
        let error = format!("{:#}", Config::parse(text).unwrap_err());
        assert!(error.contains(expect), "{text}: {error}");
    }
}

#[test]
fn a_mistyped_line_is_named_and_not_repeated() {
    for (text, expect) in [
        (
            "# x\n\ndatabse = \"postgres://me:hunter2@db/bw\"",
            "line 3, databse: unknown field `databse`",
        ),
        (
            "database = \"postgres://me:hunter2@db/bw",
            "line 1, database: ",
        ),
        (
            "database = postgres://me:hunter2@db/bw",
            "line 1, database: ",
        ),
        ("\n\"hunter2", "line 2: "),
        (
            "sample_period_seconds = \"hunter2\"",
            "line 1, sample_period_seconds: invalid type: a text, expected u32",
        ),
        (
            "[limits]\nconnections = \"hunter2\\\", x\"",
            "line 2, connections: ",
        ),
    ] {
        let error = format!("{:#}", Config::parse(text).unwrap_err());
        assert!(error.contains(expect), "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn no_password_is_shown() {
    let config =
        Config::parse("database = \"postgres://me:hunter2@db/bw?password=hunter2\"").unwrap();
    assert_eq!(config.database_shown(), "postgres://db/bw");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn plain_http_only_from_here_or_a_named_proxy() {
    let config =
        Config::parse("listen = \"0.0.0.0:80\"\ntrusted_proxy = [\"10.1.0.0/16\"]").unwrap();
    for (peer, may) in [
        ("127.0.0.1", true),
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("10.2.0.1", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(config.may_speak_plain(peer.parse().unwrap()), may, "{peer}");
    }
}

#[test]
fn state_goes_where_the_system_keeps_state() {
    let with = |pairs: &[(&str, &str)]| {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(k, v)| (k.to_string(), PathBuf::from(v)))
            .collect();
        default_data_dir(move |name| {
            pairs
                .iter()
                .find(|(k, _)| k == name)
                .map(|(_, v)| v.clone())
        })
    };
    assert_eq!(
        with(&[("STATE_DIRECTORY", "/s"), ("HOME", "/h")]),
        Path::new("/s")
    );
    assert_eq!(
        with(&[("HOME", "/h")]),
        Path::new("/h/.local/state/bellwether")
    );
    assert_eq!(
        with(&[("XDG_STATE_HOME", "/x"), ("HOME", "/h")]),
        Path::new("/x/bellwether")
    );
    assert_eq!(with(&[("HOME", "/root")]), Path::new("/var/lib/bellwether"));
}
