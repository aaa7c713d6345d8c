//! `plugin login` and `plugin logout`: credentials, where Docker has them.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use brewer_registry::{Credential, Secret};
use clap::Args;
use console::Term;

use super::registry::{RegistryOptions, failed};
use crate::exit::input;
use crate::{output, password};

#[derive(Args)]
pub struct LoginOptions {
    /// The registry: HOST or HOST:PORT
    host: String,

    /// The user's name there [default: asked for]
    #[arg(long, short, value_name = "USER")]
    username: Option<String>,

    /// Read the password from standard input [default: asked for]
    #[arg(long)]
    password_stdin: bool,

    #[command(flatten)]
    registry: RegistryOptions,
}

#[derive(Args)]
pub struct LogoutOptions {
    /// The registry: HOST or HOST:PORT
    host: String,

    #[command(flatten)]
    registry: RegistryOptions,
}

/// Asks the registry whether it knows the user, and stores the password where Docker would.
pub fn login(options: &LoginOptions) -> Result<ExitCode> {
    let ask = |what: &str| {
        if !console::user_attended_stderr() {
            return Err(input(anyhow!(
                "there is no terminal to ask for the {what}; give --username and --password-stdin"
            )));
        }
        Ok(())
    };
    let user = match &options.username {
        Some(user) => user.clone(),
        None => {
            ask("user")?;
            output::prompt("user");
            Term::stderr().read_line()?
        }
    };
    let password = if options.password_stdin {
        password::read()?
    } else {
        ask("password")?;
        password::ask("password")?
    };
    if user.is_empty() || user.contains(':') || password.is_empty() {
        return Err(input(anyhow!("a user and a password must not be empty, and a user has no `:`")));
    }
    let mut client = options.registry.client()?;
    let secret = Secret::Password { user: user.clone(), password: password.clone() };
    let source = "this log-in".to_owned();
    client.check_login(&options.host, Credential { secret, source }).map_err(failed)?;
    let place = client.credentials().store(&options.host, &user, &password).map_err(failed)?;
    output::result(&format!("{} knows {user}; the password is kept in {place}", options.host))?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the password of a registry.
pub fn logout(options: &LogoutOptions) -> Result<ExitCode> {
    let client = options.registry.client()?;
    if client.credentials().erase(&options.host).map_err(failed)? {
        output::result(&format!("the password for {} is removed", options.host))?;
    } else {
        output::result(&format!("there was no password for {} in {}", options.host, client.credentials().searched()))?;
    }
    Ok(ExitCode::SUCCESS)
}
