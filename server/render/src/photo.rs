//! Composition of a photo from garment, person, background and camera.
//!
//! The foreground is painted on a canvas of twice the photo's side. The camera applies rotation, scale and mild perspective
//! to it and to its mask.

use super::attributes::{Garment, Neck};
use super::body::Body;
use super::camera::{Camera, Shot};
use super::canvas::Canvas;
use super::cloth::Cloth;
use super::garment::{Cut, draw_back, draw_bag, draw_body, draw_pair, draw_shoe, draw_sleeves};
use super::noise::{scale, value};
use super::outline::Outline;
use super::paint::{Class, Light, Paint, Texel};
use super::palette::linear;
use super::person::Person;
use super::random::Dice;
use super::scene;
use super::spec::ItemSpec;
use super::surroundings;

/// First stream of random numbers of further shop photos. Those of user photos are lower.
const FURTHER: u64 = 1 << 32;

/// Draws a shop photo of an item, `size` pixels wide and high. `k` counts from 0. Further photos have another light, frame and
/// drape than the first, and are slightly turned.
pub(crate) fn shop(spec: &ItemSpec, k: usize, size: usize) -> Shot {
    let mut dice = Dice::new(spec.photos, if k == 0 { 0 } else { FURTHER + k as u64 });
    let light = Light::from_direction(dice.range(-0.75, -0.35), dice.range(-0.8, -0.5), 0.40);
    let cloth = Cloth::from_spec(spec);
    let background = scene::studio(size, &mut dice);
    let drape = dice.word();
    let side = size * 2;
    let canvas = match spec.garment.category() {
        "shoes" => {
            let pair = dice.chance(0.6);
            let heel = shoe_height(spec);
            let mut canvas = Canvas::new(
                side,
                (if pair { 40.0f32 } else { 34.0 }).max(heel * 1.75),
                if pair {
                    (15.6, -heel * 0.5 - 2.4)
                } else {
                    (13.8, -heel * 0.5 + 0.5)
                },
                light,
            );
            if pair {
                draw_pair(&mut canvas, spec, &cloth, (4.2, -5.6))
            } else {
                draw_shoe(&mut canvas, spec, &cloth, &|x, y| (x, y))
            }
            canvas
        }
        "bags" => {
            let (span, mid) = bag_frame(spec, dice.range(1.0, 1.08));
            let mut canvas = Canvas::new(side, span, (0.0, mid), light);
            draw_bag(&mut canvas, spec, &cloth, drape, 0.0);
            canvas
        }
        _ => {
            let body = Body::mannequin(&mut dice);
            let cut = Cut::new(spec, &body);
            let (span, mid) = top_frame(spec, &cut, dice.range(1.0, 1.06));
            let mut canvas = Canvas::new(side, span, (0.0, mid), light);
            draw_back(&mut canvas, spec, &cut, &cloth);
            draw_body(&mut canvas, spec, &cut, &cloth, drape);
            draw_sleeves(&mut canvas, spec, &cut, &cloth, drape);
            canvas
        }
    };
    let mut camera = if k == 0 {
        Camera::straight()
    } else {
        Camera::tripod(&mut dice)
    };
    camera.shadow = if spec.garment.category() == "tops" {
        (0.012, 0.016, 0.30)
    } else {
        (0.006, 0.014, 0.42)
    };
    let mut shot = camera.take(&canvas, background, size);
    shot.quality = 92;
    shot
}

/// Draws a user photo of an item, worn or lying, `size` pixels wide and high. `k` counts from 1.
pub(crate) fn user(spec: &ItemSpec, k: usize, size: usize) -> Shot {
    let mut dice = Dice::new(spec.photos, k as u64);
    let light = Light::from_direction(dice.range(-1.1, 1.1), dice.range(-0.9, 0.2), dice.range(0.34, 0.6));
    let cloth = Cloth::from_spec(spec);
    let worn = dice.chance(0.68);
    let drape = dice.word();
    let mut camera = Camera::hand_held(&mut dice, worn);
    let (canvas, background, person) = match (spec.garment.category(), worn) {
        ("shoes", true) => worn_shoes(spec, &cloth, size, light, &mut dice),
        ("shoes", false) => {
            let (span, background) = (
                dice.range(40.0, 52.0).max(shoe_height(spec) * 1.8),
                scene::surface(size, &mut dice),
            );
            let mut canvas = Canvas::new(size * 2, span, (15.0, -shoe_height(spec) * 0.5 - 2.0), light);
            let gap = (dice.range(1.0, 7.0), dice.range(-9.0, -5.0));
            draw_pair(&mut canvas, spec, &cloth, gap);
            (canvas, background, None)
        }
        ("bags", true) => worn_bag(spec, &cloth, drape, size, light, &mut dice),
        ("bags", false) => {
            let (span, mid) = bag_frame(spec, dice.range(1.05, 1.35));
            let background = scene::surface(size, &mut dice);
            let mut canvas = Canvas::new(size * 2, span, (0.0, mid), light);
            draw_bag(&mut canvas, spec, &cloth, drape, 0.0);
            (canvas, background, None)
        }
        (_, true) => worn_top(spec, &cloth, drape, size, light, &mut dice),
        _ => {
            let body = Body::mannequin(&mut dice);
            let cut = Cut::new(spec, &body);
            let (span, mid) = top_frame(spec, &cut, dice.range(1.04, 1.3));
            let background = scene::surface(size, &mut dice);
            let mut canvas = Canvas::new(size * 2, span, (0.0, mid), light);
            canvas.bend(dice.range(-0.05, 0.05), dice.range(-2.0, 2.0));
            draw_back(&mut canvas, spec, &cut, &cloth);
            draw_body(&mut canvas, spec, &cut, &cloth, drape);
            draw_sleeves(&mut canvas, spec, &cut, &cloth, drape);
            (canvas, background, None)
        }
    };
    camera.shadow = if worn {
        (0.01, 0.01, 0.12)
    } else {
        (-light.toward[0] * 0.02, 0.008 - light.toward[1] * 0.012, 0.5)
    };
    let mut shot = camera.take(&canvas, background, size);
    if dice.chance(0.38) {
        occlude(&mut shot, person.as_ref(), size, light, &mut dice);
    }
    shot.degrade(size, &mut dice);
    shot
}

/// Height of a shoe in centimetres, for framing.
fn shoe_height(spec: &ItemSpec) -> f32 {
    match spec.garment {
        Garment::Boot => 25.0,
        Garment::Sneaker => 11.0,
        Garment::Flat => 7.0,
        _ => 13.0,
    }
}

/// Span and vertical centre in centimetres of the frame around a bag that is not worn.
fn bag_frame(spec: &ItemSpec, loose: f32) -> (f32, f32) {
    let (top, bottom) = match spec.garment {
        Garment::Tote => (-22.0, 35.0),
        Garment::Shoulder => (-18.0, 18.0),
        Garment::Handbag => (-12.5, 22.0),
        _ => (-7.0, 38.0),
    };
    ((bottom - top) * 1.16 * loose, (top + bottom) * 0.5)
}

/// Span and vertical centre in centimetres of the frame around a top.
fn top_frame(spec: &ItemSpec, cut: &Cut, loose: f32) -> (f32, f32) {
    let top = if spec.neck == Neck::Hood { -24.0 } else { -6.0 };
    let reach = cut
        .sleeves
        .iter()
        .map(|s| s.axis[2])
        .fold((cut.hem, cut.hem_y), |m, p| {
            (m.0.max(p.0.abs() + 6.0), m.1.max(p.1 + 3.0))
        });
    let span = (reach.1 - top).max(reach.0 * 2.0) * 1.05 * loose;
    (span, (reach.1 + top) * 0.5)
}

/// Foreground, background and person.
type Staged = (Canvas, scene::Raster, Option<Person>);

fn room_or_street(size: usize, dice: &mut Dice, horizon: f32) -> scene::Raster {
    if dice.chance(0.58) {
        surroundings::room(size, dice, horizon)
    } else {
        surroundings::street(size, dice, horizon)
    }
}

fn worn_top(spec: &ItemSpec, cloth: &Cloth, drape: u64, size: usize, light: Light, dice: &mut Dice) -> Staged {
    let mut person = Person::draw(dice);
    if spec.garment == Garment::Dress {
        person.bare_legs();
    }
    let cut = Cut::new(spec, &person.body);
    let long = matches!(spec.garment, Garment::Dress | Garment::Coat);
    let (span, mid) = match dice.index(3) {
        // Close-up from the chin to the hips.
        0 if !long => (dice.range(82.0, 98.0), dice.range(26.0, 33.0)),
        1 if !long => (dice.range(110.0, 132.0), dice.range(24.0, 34.0)),
        0 => (
            cut.hem_y + dice.range(24.0, 44.0),
            cut.hem_y * 0.5 - dice.range(2.0, 8.0),
        ),
        _ => (dice.range(176.0, 206.0).max(cut.hem_y + 60.0), dice.range(58.0, 66.0)),
    };
    let horizon = 50.0 + (142.0 - mid) / span * 100.0;
    let horizon = horizon.min(112.0) - dice.range(2.0, 14.0);
    let background = room_or_street(size, dice, horizon);
    let mut canvas = Canvas::new(size * 2, span, (dice.range(-6.0, 6.0), mid), light);
    canvas.bend(dice.range(-0.05, 0.05), dice.range(-3.0, 3.0));
    person.hair_behind(&mut canvas);
    person.torso(&mut canvas);
    person.legs(&mut canvas);
    if matches!(spec.neck, Neck::Lapel) {
        person.undershirt(&mut canvas);
    } else if spec.neck == Neck::Hood {
        draw_back(&mut canvas, spec, &cut, cloth);
        person.neck(&mut canvas);
    }
    if cut.sleeves.is_empty() {
        person.arms(&mut canvas, 0.0);
        draw_body(&mut canvas, spec, &cut, cloth, drape);
        person.crossed_forearms(&mut canvas);
    } else {
        draw_body(&mut canvas, spec, &cut, cloth, drape);
        person.arms(&mut canvas, cut.covered);
    }
    draw_sleeves(&mut canvas, spec, &cut, cloth, drape);
    if dice.chance(0.14) {
        person.cross_bag(&mut canvas, dice);
    }
    person.head(&mut canvas);
    (canvas, background, Some(person))
}

fn worn_bag(spec: &ItemSpec, cloth: &Cloth, drape: u64, size: usize, light: Light, dice: &mut Dice) -> Staged {
    let person = Person::draw(dice);
    let span = dice.range(96.0, 138.0);
    let mid = dice.range(34.0, 48.0);
    let horizon = (50.0 + (142.0 - mid) / span * 100.0).min(112.0) - dice.range(2.0, 12.0);
    let background = room_or_street(size, dice, horizon);
    let mut canvas = Canvas::new(size * 2, span, (dice.range(-4.0, 8.0), mid), light);
    person.hair_behind(&mut canvas);
    person.torso(&mut canvas);
    person.legs(&mut canvas);
    person.undershirt(&mut canvas);
    person.arms(&mut canvas, 0.9);
    person.undershirt_sleeves(&mut canvas);
    person.head(&mut canvas);
    // A bag is drawn in its own coordinates, whose origin is the point where it hangs.
    let (x, y, hang) = match spec.garment {
        Garment::Shoulder => (dice.range(12.0, 20.0), dice.range(40.0, 52.0), dice.range(34.0, 42.0)),
        Garment::Backpack => (dice.range(-3.0, 3.0), dice.range(14.0, 22.0), 0.0),
        Garment::Handbag => (dice.range(14.0, 24.0), dice.range(56.0, 66.0), 0.0),
        _ => (dice.range(14.0, 22.0), dice.range(40.0, 56.0), 0.0),
    };
    canvas.with_origin(x, y, |c| draw_bag(c, spec, cloth, drape, hang));
    (canvas, background, Some(person))
}

fn worn_shoes(spec: &ItemSpec, cloth: &Cloth, size: usize, light: Light, dice: &mut Dice) -> Staged {
    let person = Person::draw(dice);
    let span = dice.range(44.0, 60.0);
    let mut canvas = Canvas::new(size * 2, span, (14.0, -span * 0.30), light);
    let background = if dice.chance(0.5) {
        scene::surface(size, dice)
    } else {
        room_or_street(size, dice, 14.0 + span * 0.4)
    };
    let skin = person.skin();
    let bare = dice.chance(0.45);
    let trouser = person.leg_cloth().clone();
    let gap = (dice.range(3.0, 10.0), dice.range(-8.0, -4.0));
    let lift = match spec.heel {
        super::attributes::Heel::Stiletto => 8.5,
        super::attributes::Heel::Block => 5.0,
        _ => 1.5,
    };
    for (dx, dy, k) in [(gap.0, gap.1, 0.97f32), (0.0, 0.0, 1.0)] {
        let cuff = if spec.garment == Garment::Boot {
            -16.0 - lift
        } else {
            -9.0 - lift
        };
        let ankle = Outline::tube(&[
            (5.4 + dx, -52.0 + dy, 6.2),
            (4.6 + dx, -24.0 + dy, 4.4),
            (4.6 + dx, -10.0 - lift + dy, 3.4),
            (6.0 + dx, -4.0 - lift + dy, 4.2),
        ]);
        let foot = Outline::new()
            .corner(1.0 + dx, -9.0 - lift + dy)
            .corner(8.0 + dx, -10.0 - lift + dy)
            .smooth(13.0 + dx, -5.2 - lift * 0.5 + dy)
            .corner(21.0 + dx, -2.6 + dy)
            .corner(20.0 + dx, -1.4 + dy)
            .corner(2.0 + dx, -1.6 - lift + dy);
        let flesh = |x: f32, y: f32, _: (f32, f32)| Texel {
            gloss: 0.06,
            ..Texel::flat(scale(skin, 0.97 + 0.06 * value(x / 5.0, y / 5.0, 3)))
        };
        for o in [&ankle, &foot] {
            canvas.paint(o, &Paint::new(Class::Person, &flesh).round(2.0, 2.6).shadow(0.3, 0.8));
        }
        draw_shoe(&mut canvas, spec, cloth, &|x, y| (x * k + dx, y * k + dy));
        if !bare {
            let frame = super::cloth::Frame::straight(7.0);
            let texel = |x: f32, y: f32, s: (f32, f32)| trouser.texel(&frame, x, y, s);
            let hem = cuff + dice.range(-3.0, 2.5);
            let leg = Outline::tube(&[
                (5.4 + dx, -58.0 + dy, 9.0),
                (4.8 + dx, -30.0 + dy, 7.8),
                (4.6 + dx, hem + dy, 7.4),
            ]);
            let mut folds = super::folds::Folds::new(-12.0 + dx, -60.0 + dy, 24.0 + dx, 4.0 + dy);
            folds.rumple(dice.word() as u32, 5.0, 12.0, 0.2, 1.2);
            canvas.paint(
                &leg,
                &Paint::new(Class::Person, &texel)
                    .round(2.6, 3.0)
                    .drape(&folds)
                    .shadow(0.45, 1.0),
            );
        }
    }
    (canvas, background, Some(person))
}

/// Draws an occluding arm or an object at the edge in front of the photo.
fn occlude(shot: &mut Shot, person: Option<&Person>, size: usize, light: Light, dice: &mut Dice) {
    let mut canvas = Canvas::new(size, 100.0, (50.0, 50.0), light);
    let mut owner = 0u8;
    let skin = person.map_or_else(|| linear(dice.pick(&[0xE8BE9E, 0xC99470, 0x8E5D3D])), Person::skin);
    match dice.index(2) {
        0 => {
            // An arm from the left or right edge.
            owner = 2;
            let from = if dice.chance(0.5) {
                (-8.0, dice.range(50.0, 100.0))
            } else {
                (108.0, dice.range(50.0, 100.0))
            };
            let to = (50.0 + (from.0 - 50.0) * dice.range(0.30, 0.62), dice.range(45.0, 82.0));
            let mid = ((from.0 + to.0) * 0.5, (from.1 + to.1) * 0.5 + 4.0);
            let o = Outline::tube(&[
                (from.0, from.1, 8.0),
                (mid.0, mid.1, 6.6),
                (to.0, to.1, 4.2),
                (to.0 + (to.0 - mid.0) * 0.4, to.1 + (to.1 - mid.1) * 0.4, 3.4),
            ]);
            let texel = |x: f32, y: f32, _: (f32, f32)| Texel {
                gloss: 0.06,
                ..Texel::flat(scale(skin, 0.96 + 0.07 * value(x / 9.0, y / 9.0, 3)))
            };
            canvas.paint(&o, &Paint::new(Class::Person, &texel).round(2.6, 4.0));
        }
        _ => {
            // A blurred object at the edge.
            let rgb = linear(dice.pick(&[0x2E2C2B, 0xB35C48, 0x5E7F6A, 0xE3DCCB, 0x54707A]));
            let (x, y) = (dice.pick(&[-4.0, 104.0]), dice.range(55.0, 100.0));
            let (a, b) = (dice.range(12.0, 26.0), dice.range(12.0, 24.0));
            let texel = |_: f32, _: f32, _: (f32, f32)| Texel {
                gloss: 0.1,
                ..Texel::flat(rgb)
            };
            canvas.paint(
                &Outline::rounded(x - a, y - b, x + a, y + b, 6.0),
                &Paint::new(Class::Person, &texel).round(3.0, 6.0),
            );
        }
    }
    shot.add_foreground(&canvas, owner);
}
