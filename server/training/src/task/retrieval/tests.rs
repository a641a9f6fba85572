//! Tests of the task `retrieval`.

use super::*;
use crate::objective::TrainingData;
use crate::recipe::TaskRecipe;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Manifest of the items 0–5 with `user[i]` and `shop[i]` photos each.
fn rows(user: [usize; 6], shop: [usize; 6]) -> String {
    let mut text = "path,split,item_id,domain\n".to_owned();
    for item in 0..6 {
        for (domain, photos) in [("user", user[item]), ("shop", shop[item])] {
            for photo in 0..photos {
                let _ = writeln!(text, "{item}-{domain}-{photo}.jpg,train,i{item},{domain}");
            }
        }
    }
    text + "v.jpg,val,v,user\nw.jpg,val,v,shop\n"
}

fn two_identities(photos: usize) -> anyhow::Result<Recipe> {
    let recipe = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'a'\n[input]\nwidth = 8\nheight = 8\n[optimiser]\n\
                  batch = 4\nrate = 0.1\n[task]\nkind = 'retrieval'\nidentities = 2\nphotos = 2\n\
                  [task.model]\nbackbone = 'resnet10_w16'\n";
    Recipe::parse(
        recipe,
        &[
            format!("optimiser.batch={}", 2 * photos),
            format!("task.photos={photos}"),
        ],
    )
}

#[test]
fn tuning_rows_without_shop_photos_are_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let manifest = rows([1; 6], [1; 6]).replace("val,v,shop", "val,v,user");
    std::fs::write(dir.path().join(dataset::manifest::MANIFEST), manifest)?;
    let recipe = two_identities(2)?;
    let TaskRecipe::Retrieval(task) = &recipe.task else {
        panic!("the task is retrieval")
    };
    let error = Identities::new(Dataset::open(dir.path())?, &recipe, task)
        .expect_err("the tuning rows have no shop photo")
        .to_string();
    assert!(
        error.contains("lack shop photos") && error.contains("data.holdout"),
        "{error}"
    );
    Ok(())
}

#[test]
fn batches_pair_user_and_shop_photos_and_repeat_none_without_need() -> anyhow::Result<()> {
    let (user, shop) = ([1, 2, 3, 4, 2, 1], [1, 1, 2, 3, 1, 0]);
    let dir = tempfile::tempdir()?;
    std::fs::write(dir.path().join(dataset::manifest::MANIFEST), rows(user, shop))?;
    for photos in 2..=6 {
        let recipe = two_identities(photos)?;
        let TaskRecipe::Retrieval(task) = &recipe.task else {
            panic!("the task is retrieval")
        };
        let data = Identities::new(Dataset::open(dir.path())?, &recipe, task)?;
        // Item 5 has no shop photo.
        assert_eq!((data.n_identities(), data.n_train()), (5, 20));
        let mut seen = BTreeSet::new();
        for epoch in 0..64 {
            let batches = data.batches(&recipe, epoch);
            assert_eq!(batches, data.batches(&recipe, epoch), "an epoch is reproducible");
            assert_eq!(batches.len(), 2, "five identities fill two batches of two");
            for batch in batches {
                seen.extend(batch.iter().copied());
                assert_eq!(batch.len(), 2 * photos);
                let table = &data.images.dataset().rows;
                for place in 0..2 {
                    let item = &table[batch[place]].item_id;
                    let shown: Vec<usize> = batch.iter().skip(place).step_by(2).copied().collect();
                    for (photo, row) in shown.iter().enumerate() {
                        assert_eq!((&table[*row].item_id, table[*row].is_shop()), (item, photo % 2 == 1));
                    }
                    for (side, all) in [(0, &user), (1, &shop)] {
                        let number: usize = item[1..].parse()?;
                        let distinct: BTreeSet<usize> = shown.iter().skip(side).step_by(2).copied().collect();
                        let places = (photos - side).div_ceil(2);
                        assert_eq!(distinct.len(), places.min(all[number]), "{item}, {photos} photos");
                    }
                }
            }
        }
        assert_eq!(seen.len(), data.n_train(), "every photo is shown in some epoch");
    }
    Ok(())
}
