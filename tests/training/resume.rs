//! Interrupted runs.

use anyhow::Result;
use tests::tiny::{STYLE, Trainings};

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() -> Result<()> {
    let trainings = Trainings::on_shop()?;
    let settings = ["optimiser.schedule=constant", "epochs=2"];
    let short = ["optimiser.schedule=constant", "epochs=1"];
    let whole = trainings.train("whole", STYLE, &settings)?;
    let parts = trainings.train_in_parts("parts", STYLE, &short, &whole, &settings)?;
    assert_eq!(whole.losses(), parts.losses());
    assert!(
        whole.weights()? == parts.weights()?,
        "the resumed run ended in other weights"
    );
    Ok(())
}
