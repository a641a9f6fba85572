//! Classes of a segmentation, from mask ids or from the names of a dataset's labels.

use crate::recipe::{ClassSource, SegmentRecipe};
use anyhow::Context;
use dataset::{Dataset, label_list};
use shared::model::SegmentConfig;
use shared::outfit::OutfitClass;

impl SegmentRecipe {
    /// Returns the names of the classes and the configuration of their network.
    pub(super) fn classes(&self, dataset: &Dataset) -> anyhow::Result<(Vec<String>, SegmentConfig)> {
        let (labels, ids) = match self.classes {
            ClassSource::Groups => {
                anyhow::ensure!(
                    !self.person.is_empty(),
                    "task.person must list the mask ids of the person: [2] for a rendered shop, skin and hair elsewhere"
                );
                let labels = ["background", "person", "garment"].map(str::to_owned).to_vec();
                (labels, vec![self.background.clone(), self.person.clone(), Vec::new()])
            }
            ClassSource::Dataset => label_list(dataset)
                .context("task.classes = \"groups\" needs no names")?
                .into_iter()
                .map(|(id, name)| (name, vec![id]))
                .unzip(),
            ClassSource::Outfit => outfit(&label_list(dataset).context("task.classes = \"groups\" needs no names")?),
        };
        Ok((
            labels,
            SegmentConfig {
                backbone: self.backbone.clone(),
                bridge: self.bridge,
                widths: self.widths.clone(),
                ids,
            },
        ))
    }
}

/// Returns the classes of an outfit that the labels have, and the mask ids of each class. The class of all other ids is last.
fn outfit(labels: &[(u8, String)]) -> (Vec<String>, Vec<Vec<u8>>) {
    let ids = |class| {
        let of_class = labels.iter().filter(|(_, name)| OutfitClass::of_label(name) == class);
        of_class.map(|(id, _)| *id).collect::<Vec<u8>>()
    };
    let named = OutfitClass::ALL
        .into_iter()
        .filter(|class| *class != OutfitClass::Other)
        .map(|class| (class.id().to_owned(), ids(class)))
        .filter(|(_, ids)| !ids.is_empty());
    named.chain([(OutfitClass::Other.id().to_owned(), Vec::new())]).unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_join_classes_of_an_outfit_by_the_names_of_a_label_list() {
        let label = |id, name: &str| (id, name.to_owned());
        let labels = [label(0, "null"), label(3, "jeans"), label(5, "belt"), label(9, "skirt")];
        let (classes, ids) = outfit(&labels);
        assert_eq!(classes, ["background", "bottoms", "other"]);
        assert_eq!(ids, [vec![0], vec![3, 9], vec![]], "the other ids need no name");
    }
}
