//! `selvedge catalog generations`: the embeddings of several models.

use clap::Args;

use super::super::output::print;
use super::place::CatalogArg;

/// Arguments of `selvedge catalog generations`.
#[derive(Debug, Args)]
pub(crate) struct GenerationsArgs {
    #[command(flatten)]
    catalog: CatalogArg,
    /// Make the generation before the live one the live one again
    #[arg(long, conflicts_with = "delete")]
    roll_back: bool,
    /// Delete the embeddings of this generation, which must not be live
    #[arg(long, value_name = "NUMBER")]
    delete: Option<i64>,
}

pub(super) fn generations(args: &GenerationsArgs) -> anyhow::Result<()> {
    let store = args.catalog.open()?;
    if args.roll_back {
        let live = store.roll_back()?;
        eprintln!("generation {} of {} is live", live.number, live.model);
    }
    if let Some(number) = args.delete {
        store.drop_generation(number)?;
    }
    let mut lines = vec!["number  state     photos    type  dimension  model".to_owned()];
    for generation in store.generations()? {
        let state = store.progress(generation.number)?;
        lines.push(format!(
            "{:>6}  {:<8}  {:>8}  {:<4}  {:>9}  {}",
            generation.number,
            generation.state.name(),
            state.embedded,
            generation.element.name(),
            generation.dim,
            generation.model
        ));
    }
    print(&lines.join("\n"))
}
