//! Product names in English and Chinese, composed of visible attributes.
use super::attributes::*;
use super::spec::ItemSpec;

/// Returns the English and the Chinese name, such as "Striped crew-neck tee in navy" and "藏青条纹圆领T恤".
pub(crate) fn names(spec: &ItemSpec) -> (String, String) {
    let tops = spec.garment.category() == "tops";
    let names_fabric = spec.fabric != Fabric::Cotton
        && spec.garment != Garment::Hoodie
        && (spec.fabric != Fabric::Rib || spec.garment == Garment::Knit);
    let mut en: Vec<&str> = Vec::new();
    let mut zh: Vec<&str> = vec![spec.colours[0].zh];
    let mut add = |e: &'static str, z: &'static str| {
        if !e.is_empty() {
            en.push(e);
        }
        zh.push(z);
    };
    add(spec.trim.en(), spec.trim.zh());
    if spec.pattern != Pattern::Plain {
        add(spec.pattern.en(), spec.pattern.zh());
    } else if spec.logo != Logo::None && spec.logo.en() != "" {
        add(spec.logo.en(), spec.logo.zh());
    }
    if tops {
        add(spec.fit.en(), spec.fit.zh());
        if spec.waist == Waist::Belted {
            add(spec.waist.en(), spec.waist.zh());
        }
        if spec.sleeve == Sleeve::Puff
            || spec.sleeve == Sleeve::Kimono
            || (spec.sleeve == Sleeve::None && spec.garment == Garment::Dress)
        {
            add(spec.sleeve.en(), spec.sleeve.zh());
        }
        if !matches!(spec.neck, Neck::Lapel | Neck::Hood | Neck::Collar) {
            add(spec.neck.en(), spec.neck.zh());
        }
    } else {
        if spec.heel != Heel::None {
            add(spec.heel.en(), spec.heel.zh());
        }
        if spec.strap == Strap::Chain {
            add(spec.strap.en(), spec.strap.zh());
        }
    }
    if spec.closure == Closure::Double
        || (spec.closure == Closure::Zip && tops)
        || (spec.closure == Closure::Laces && spec.garment == Garment::Boot)
    {
        add(spec.closure.en(), spec.closure.zh());
    }
    if names_fabric {
        add(spec.fabric.en(), spec.fabric.zh());
    }
    en.push(spec.garment.en());
    zh.push(spec.garment.zh());
    let mut english = en.join(" ");
    if let Some(first) = english.get(..1) {
        let upper = first.to_uppercase();
        english.replace_range(..1, &upper);
    }
    (format!("{english} in {}", spec.colours[0].en), zh.concat())
}
