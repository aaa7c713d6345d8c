//! Set-up and build chores: `cargo xtask …`.
//!
//! `setup` turns a bare machine into one where plain `cargo build` works; `languages` and `registry` add what
//! `cargo test` needs beyond it. `check` is for while one works, `test` for when one is done. Chores that need a machine that
//! is set up begin with it, so that each of them works on a fresh checkout.

mod checks;
mod debian;
mod demo;
mod install;
mod languages;
mod libtorch;
mod peers;
mod plugins;
mod product;
mod python;
mod registry;
mod sdk;
mod setup;
mod step;
mod store;
mod wasm;
mod wheel;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Set-up and build chores of the Brewer workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Put libtorch, the WebAssembly target and the official plugins in place; what is there already stays
    Setup,
    /// Build every plugin under plugins/ and every guest under tests/*/guests/ into target/plugins/
    Plugins,
    /// Set up, then build the plugins in Python, JavaScript and C that tests run, with their languages' tools
    Languages,
    /// Unpack the registry, its clients and the checker of signatures that tests run: Debian's docker-registry and skopeo,
    /// Python's oras, Sigstore's library
    Registry,
    /// Check the format, the lints of the libraries, the unit tests and those of the engine: less than all, in two minutes
    Check,
    /// Write what follows from wit/: the operations of tensors in each SDK, and the page of all operations
    Sdk {
        /// Write nothing, and fail if a file differs
        #[arg(long)]
        check: bool,
    },
    /// Set up, then check the format, the lints and the tests: what a change must pass
    Test,
    /// Set up, build brewer-host, and put it with its libtorch where it works without the checkout
    Install {
        /// The folder whose bin/ and lib/brewer/ are written [default: ~/.local]
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
    },
    /// Compare speed, memory and losses with TextBrewer's, on the movie-reviews experiment
    Peers {
        /// How often each case is run by both
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
    },
    /// Set up, build brewer-host and run the movie-reviews experiment
    Demo {
        /// Run it with the seeds 1 to this number, and report means
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        seeds: u32,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &Chore) -> Result<()> {
    let workspace = Workspace::here();
    match chore {
        Chore::Setup => setup::setup(&workspace),
        Chore::Plugins => plugins::build(&workspace),
        Chore::Languages => {
            setup::setup(&workspace)?;
            languages::build(&workspace)
        }
        Chore::Registry => registry::ensure(&workspace),
        Chore::Sdk { check: true } => sdk::check(&workspace),
        Chore::Sdk { check: false } => sdk::write(&workspace),
        Chore::Check => checks::quick(&workspace),
        Chore::Test => checks::all(&workspace),
        Chore::Install { prefix } => install::run(&workspace, prefix.as_deref()),
        Chore::Peers { pairs } => peers::run(&workspace, *pairs as usize),
        Chore::Demo { seeds } => demo::run(&workspace, *seeds),
    }
}
