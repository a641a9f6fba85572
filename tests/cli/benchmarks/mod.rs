//! Published retrieval datasets: small folders in their exact formats are imported, searched and submitted.

mod imports;
mod submissions;

use super::{run, run_line};
use std::fs;
use std::path::Path;
use tests::fixture;

const IN_SHOP: &str = "6
image_name item_id evaluation_status
img/WOMEN/Dresses/id_00000001/02_1_front.png id_00000001 train
img/WOMEN/Dresses/id_00000001/02_2_side.png   id_00000001 train
img/WOMEN/Dresses/id_00000002/02_1_front.png id_00000002 query
img/WOMEN/Dresses/id_00000002/02_2_side.png id_00000002 gallery
img/MEN/Denim/id_00000003/01_1_front.png id_00000003 gallery
img/MEN/Denim/id_00000003/01_2_side.png id_00000003 query
";
const IN_SHOP_BOXES: &str = "2
image_name clothes_type pose_type x_1 y_1 x_2 y_2
img/WOMEN/Dresses/id_00000001/02_1_front.png 3 1 5 6 30 900
img/MEN/Denim/id_00000003/01_2_side.png 2 2 1 2 20 40
";
const CONSUMER: &str = "4
image_pair_name_1 image_pair_name_2 item_id evaluation_status
img/CLOTHING/Blouse/id_1/comsumer_01.png img/CLOTHING/Blouse/id_1/shop_01.png id_1 train
img/CLOTHING/Blouse/id_1/comsumer_02.png img/CLOTHING/Blouse/id_1/shop_01.png id_1 train
img/DRESSES/Lace/id_2/comsumer_01.png img/DRESSES/Lace/id_2/shop_01.png id_2 val
img/DRESSES/Lace/id_3/comsumer_01.png img/DRESSES/Lace/id_3/shop_01.png id_3 test
";
const EBAY_TRAIN: &str = "image_id class_id super_class_id path
1 1 1 bicycle_final/11_0.png
2 1 1 bicycle_final/11_1.png
";
const EBAY_TEST: &str = "image_id class_id super_class_id path
3 2 1 bicycle_final/22_0.png
4 2 1 bicycle_final/22_1.png
5 3 2 lamp_final/33_0.png
6 3 2 lamp_final/33_1.png
";
const PAIRS: &str = "http://a/user/1.png 0 0 20 30 http://b/shop/9.png 2 3 30 40 0
http://a/user/2.png 1 1 20 30 http://b/shop/8.png 2 3 30 40 2
http://a/user/3.png 1 1 20 30 http://b/shop/9.png 2 3 30 40 0
";

fn write_photo(path: &Path, number: u32) {
    fs::create_dir_all(path.parent().expect("the file is in a folder")).expect("the folder is created");
    fixture::photo(number).save(path).expect("the photo is written");
}

/// Writes a list, and the photos in the columns `photos` of its lines.
fn write_list(dir: &Path, file: &str, text: &str, photos: &[usize]) {
    let path = dir.join(file);
    fs::create_dir_all(path.parent().expect("the file is in a folder")).expect("the folder is created");
    fs::write(&path, text).expect("the file is written");
    for (number, line) in (0..).zip(text.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for name in photos
            .iter()
            .filter_map(|at| words.get(*at))
            .filter(|name| name.contains('/'))
        {
            write_photo(&dir.join(name), number);
        }
    }
}

/// Writes the challenge's pairs and their photos into `dir/jd`.
fn write_pairs(dir: &Path) {
    fs::create_dir(dir.join("jd")).expect("the folder is created");
    fs::write(dir.join("jd/pairs.txt"), PAIRS).expect("the file is written");
    for (number, name) in (0..).zip(["1", "2", "3", "8", "9"]) {
        write_photo(&dir.join(format!("jd/{name}.png")), number);
    }
}

/// Imports a published dataset into the folder `FORMAT-imported`.
fn import(dir: &Path, format: &str, from: &str) -> Result<String, String> {
    run_line(
        dir,
        &format!("dataset import-retrieval {from} --format {format} --out {format}-imported"),
    )
}
