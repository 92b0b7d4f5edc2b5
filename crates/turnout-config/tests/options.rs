//! The promises of the option table, from the outside: what is typed, what it means, what a slip is answered with.

use std::fs;
use std::time::Duration;

use turnout_config::{
    AccessLogFormat, Command, ConnectionSharing, Interface, OPTIONS, Settings, Surroundings, ThreadSharing, parse,
};

fn nowhere() -> Surroundings {
    Surroundings { directory: "/nonexistent".into(), ..Surroundings::default() }
}

fn run(line: &str, around: &Surroundings) -> Result<Command, String> {
    let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    parse(&arguments, around).map_err(|error| error.to_string())
}

fn serve_in(line: &str, around: &Surroundings) -> Settings {
    match run(line, around) {
        Ok(Command::Serve(settings)) => *settings,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused_in(line: &str, around: &Surroundings) -> String {
    let error = run(line, around).expect_err(line);
    assert_eq!(error.lines().count(), 1, "one line: {error}");
    error
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let settings = serve_in("serve", &nowhere());
    assert_eq!(settings.app, None);
    assert_eq!(settings.binds, ["127.0.0.1:8000"]);
    assert_eq!((settings.workers, settings.threads, settings.exclusive_threads), (1, 64, 64));
    assert_eq!((settings.hop_threads, settings.thread_sharing), (8, ThreadSharing::Shared));
    assert_eq!(settings.connection_sharing, ConnectionSharing::Hop);
    assert_eq!(settings.max_in_flight, 1024);
    assert_eq!(settings.drain, Duration::from_secs(30));
    assert_eq!(settings.hang_limit, Some(Duration::from_secs(60)));
    assert_eq!(settings.switch_interval, Some(Duration::from_micros(2900)));
    assert_eq!((settings.max_head, settings.max_uri, settings.max_body), (65_536, 8_192, None));
    assert_eq!((settings.body_rate, settings.body_grace), (240, Duration::from_secs(20)));
    assert_eq!(settings.access_log, AccessLogFormat::Off);
    assert_eq!((settings.admin, settings.admin_hosts, settings.admin_token_file), (None, vec![], None));
    assert_eq!((settings.history, settings.history_size), (None, 64 << 20));
    assert_eq!(settings.history_age, Duration::from_secs(30 * 86_400));
}

#[test]
fn flags_become_settings() {
    let line = "serve mysite.asgi:application --bind 0.0.0.0:80 --bind unix:/run/x.sock --interface asgi --hang-limit 0 \
                --max-body 10MB --compat --switch-interval=off --access-log json --workers auto";
    let settings = serve_in(line, &nowhere());
    assert_eq!(settings.app.as_deref(), Some("mysite.asgi:application"));
    assert_eq!(settings.binds, ["0.0.0.0:80", "unix:/run/x.sock"]);
    assert_eq!(settings.interface, Interface::Asgi);
    assert_eq!((settings.hang_limit, settings.switch_interval), (None, None));
    assert_eq!(settings.max_body, Some(10_000_000));
    assert_eq!(settings.access_log, AccessLogFormat::Json);
    assert!(settings.compat && settings.workers >= 1);
}

#[test]
fn the_admin_socket_is_asked_for() {
    let around = Surroundings { directory: "/srv/site".into(), ..Surroundings::default() };
    let line = "serve --admin 127.0.0.1:9180 --admin-host Admin.Example --admin-host 10.1.2.3 --admin-token-file token";
    let settings = serve_in(line, &around);
    assert_eq!(settings.admin.as_deref(), Some("127.0.0.1:9180"));
    assert_eq!(settings.admin_hosts, ["admin.example", "10.1.2.3"]);
    assert_eq!(settings.admin_token_file, Some("/srv/site/token".into()));
    let settings = serve_in("serve --history past.db --history-size 1GiB --history-age 90d", &around);
    assert_eq!(settings.history, Some("/srv/site/past.db".into()), "beside the settings, wherever the workers are");
    assert_eq!((settings.history_size, settings.history_age), (1 << 30, Duration::from_secs(90 * 86_400)));
    assert!(refused_in("serve --history-size 1MiB", &around).contains("must be from 4194304"));
    assert!(refused_in("serve --history-age 1h", &around).contains("must be from 1d to 3660d"));
    let variables = [("TURNOUT_ADMIN".to_owned(), "127.0.0.1:9180".to_owned())].into();
    let around = Surroundings { variables, ..around };
    assert_eq!(serve_in("serve", &around).admin.as_deref(), Some("127.0.0.1:9180"));
    assert_eq!(serve_in("serve --admin off", &around).admin, None);
    let error = refused_in("serve --admin-host http://admin.example", &around);
    assert!(error.contains("without scheme, port and path"), "{error}");
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = "[tool.turnout]\napp = \"site.wsgi:app\"\nthreads = 3\nworkers = 2\nbind = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\ncompat = true\n";
    fs::write(directory.path().join("pyproject.toml"), text).expect("written");
    let below = directory.path().join("below");
    fs::create_dir(&below).expect("made");
    let variables = [("TURNOUT_THREADS", "4"), ("TURNOUT_MAX_IN_FLIGHT", "9")];
    let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let around = Surroundings { directory: below, variables, ..Surroundings::default() };

    let settings = serve_in("serve --max-in-flight 10 --compat=false", &around);
    assert_eq!(settings.app.as_deref(), Some("site.wsgi:app"));
    assert_eq!((settings.workers, settings.threads, settings.max_in_flight), (2, 4, 10));
    assert_eq!(settings.binds, ["127.0.0.1:1", "127.0.0.1:2"]);
    assert!(!settings.compat);
}

#[test]
fn a_slip_is_one_line_that_says_what_to_do() {
    let table = [
        ("serve --workerz 2", "--workerz: no such option, did you mean --workers?"),
        ("serve --threads 0", "--threads 0: must be a whole number from 1 to 16384"),
        ("serve --workers many", "--workers many: must be a whole number from 1 to 1024, or auto"),
        (
            "serve --drain 30",
            "--drain 30: the unit is missing: a duration is a number and a unit, such as 500ms, 30s, 5m or 1h",
        ),
        ("serve --interface rack", "--interface rack: must be one of auto, django, asgi, wsgi"),
        ("serve --bind", "--bind: needs a value: HOST:PORT|unix:PATH"),
        ("serve --compat=perhaps", "--compat perhaps: must be true or false"),
        ("serve a:b c:d", "c:d: one argument too many, or no such command; see turnout serve --help"),
        ("sevre", "sevre: no such command, did you mean serve?"),
    ];
    for (line, expected) in table {
        assert_eq!(refused_in(line, &nowhere()), expected, "{line}");
    }
}

#[test]
fn a_slip_in_a_variable_or_a_file_names_its_place() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("turnout.toml");
    let mut around = Surroundings { directory: directory.path().to_owned(), ..Surroundings::default() };
    for (text, expected) in [
        ("threads = 0", ": threads = 0: must be a whole number from 1 to 16384"),
        ("max_in_flight = 5", ": max_in_flight: no such option, did you mean max-in-flight?"),
        ("threads = 3\nworkers = = 2", " line 2: "),
    ] {
        fs::write(&path, text).expect("written");
        let error = refused_in("serve", &around);
        assert!(error.starts_with(&path.display().to_string()) && error.contains(expected), "{error}");
    }
    fs::write(&path, "").expect("written");
    around.variables.insert("TURNOUT_DRAIN".into(), "soon".into());
    assert!(refused_in("serve", &around).starts_with("TURNOUT_DRAIN=soon: "));
    assert!(refused_in("serve --config missing.toml", &around).contains("no such file"));
}

#[test]
fn help_lists_every_option_with_its_default() {
    let Ok(Command::Print(help)) = run("serve --help", &nowhere()) else { panic!("help") };
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for option in OPTIONS {
        assert!(help.contains(&format!("--{}", option.name)), "{}", option.name);
        assert!(
            help.contains(&format!("[default: {}]", option.default)) || option.default.is_empty(),
            "{}",
            option.name
        );
    }
    assert!(
        run("--version", &nowhere()).is_ok_and(|it| matches!(it, Command::Print(text) if text.starts_with("turnout ")))
    );
    assert!(run("", &nowhere()).is_ok_and(|it| matches!(it, Command::Print(text) if text.contains("serve"))));
}

#[test]
fn settings_survive_the_way_to_the_worker() {
    let settings = serve_in("serve a:b --max-body 5 --hang-limit 1.5s --access-log-file x.log", &nowhere());
    let text = serde_json::to_string(&settings).expect("JSON");
    assert_eq!(serde_json::from_str::<Settings>(&text).expect("settings"), settings);
}

#[test]
fn top_reads_its_flags_and_the_variables_of_the_server_it_looks_at() {
    let top = |line: &str, around: &Surroundings| match run(line, around) {
        Ok(Command::Top(top)) => top,
        other => panic!("{line}: {other:?}"),
    };
    let bare = top("top", &nowhere());
    assert_eq!((bare.admin.as_str(), bare.seconds, bare.once), ("http://127.0.0.1:9180", 60, false));
    assert_eq!((bare.token, bare.token_file), (None, None));
    let names = ["TURNOUT_ADMIN", "TURNOUT_ADMIN_TOKEN_FILE", "TURNOUT_ADMIN_TOKEN"].map(str::to_owned);
    let variables = names.into_iter().zip(["unix:/a", "token", "secret"].map(str::to_owned)).collect();
    let around = Surroundings { variables, ..nowhere() };
    let told = top("top --once --seconds 900", &around);
    assert_eq!((told.admin.as_str(), told.seconds, told.once), ("unix:/a", 900, true));
    assert_eq!((told.token.as_deref(), told.token_file), (Some("secret"), Some("/nonexistent/token".into())));
    let typed = top("top --admin localhost:1 --token-file /b", &around);
    assert_eq!((typed.admin.as_str(), typed.token_file), ("localhost:1", Some("/b".into())));
    for (line, said) in [
        ("top --seconds 4", "invalid value '4' for '--seconds <N>': 4 is not in 5..=900"),
        ("top --onec", "--onec: no such option, did you mean --once?"),
        ("top now", "now: one argument too many, or no such command; see turnout top --help"),
        ("top --admin off", "off: there is nothing to look at; --admin names a server"),
    ] {
        assert_eq!(refused_in(line, &nowhere()), said);
    }
}

#[test]
fn routes_reads_the_settings_of_serve_and_a_question_of_its_own() {
    let variables =
        [("TURNOUT_INTERFACE".to_owned(), "wsgi".to_owned()), ("TURNOUT_THREADS".to_owned(), "3".to_owned())];
    let around = Surroundings { variables: variables.into_iter().collect(), ..nowhere() };
    let line = "routes /api/ mysite.asgi:application /shop/ --track async --path /a/ --path https://x.example/b --all";
    match run(line, &around) {
        Ok(Command::Routes(settings, question)) => {
            assert_eq!(settings.app.as_deref(), Some("mysite.asgi:application"));
            assert_eq!((settings.interface, settings.threads), (Interface::Wsgi, 3));
            assert_eq!((question.track, question.all, question.json), (Some("async"), true, false));
            assert_eq!(question.below, ["/api/", "/shop/"]);
            assert_eq!(question.paths, ["/a/", "https://x.example/b"]);
        }
        other => panic!("{other:?}"),
    }
    for (line, expected) in [
        ("routes a:b c:d", "c:d: one argument too many; see turnout routes --help"),
        ("routes --track both", "--track both: must be one of sync, async"),
        ("routes --path hotel", "--path hotel: a path begins with a slash"),
        ("routes --jsno", "--jsno: no such option, did you mean --json?"),
        ("routes --bind x", "--bind: no such option, see turnout routes --help"),
        ("rouets", "rouets: no such command, did you mean routes?"),
    ] {
        assert_eq!(refused_in(line, &nowhere()), expected, "{line}");
    }
}
