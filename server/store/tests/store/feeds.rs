//! Product files in each format and encoding.

use store::{Attribute, Availability, FolderImages, Format, GivenHashes, ImportOptions, Outcome};

use crate::{ids, lenient, new_store, run, write};

const GOOGLE_TSV: &str = "id\ttitle\tdescription\tlink\timage_link\tadditional_image_link\tprice\tavailability\tbrand\t\
    item_group_id\tproduct_type\tcolor\tshipping\n\
    A-1\tBlack boot\tWarm\thttps://s.example/a\thttps://s.example/i/a.jpg\thttps://s.example/i/b.jpg,https://s.example/i/c.jpg\t\
    129.90 EUR\tin stock\tNord\tA\tApparel > Shoes\tblack\tDE:::4.90 EUR\n";

const GOOGLE_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop &amp; Co</title>
<item>
  <g:id>A-1</g:id>
  <title>Black boot</title>
  <g:description><![CDATA[Warm]]></g:description>
  <link>https://s.example/a</link>
  <g:image_link>https://s.example/i/a.jpg</g:image_link>
  <g:additional_image_link>https://s.example/i/b.jpg</g:additional_image_link>
  <g:additional_image_link>https://s.example/i/c.jpg</g:additional_image_link>
  <g:price>129.90 EUR</g:price>
  <g:availability>in_stock</g:availability>
  <g:brand>Nord</g:brand>
  <g:item_group_id>A</g:item_group_id>
  <g:product_type>Apparel &gt; Shoes</g:product_type>
  <g:color>black</g:color>
  <g:shipping><g:country>DE</g:country><g:price>4.90 EUR</g:price></g:shipping>
</item>
<item>
  <g:id>A-2</g:id>
  <title>B&#228;r</title>
  <g:price>free</g:price>
</item>
</channel></rss>"#;

#[test]
fn a_google_feed_means_the_same_as_a_table_and_as_xml() {
    let mut products = Vec::new();
    for (name, text) in [("feed.tsv", GOOGLE_TSV), ("feed.xml", GOOGLE_XML)] {
        let (dir, store) = new_store();
        for image in ["a", "b", "c"] {
            write(&dir, &format!("photos/{image}.jpg"), image);
        }
        let mut options = lenient(&write(&dir, name, text), Format::Google);
        options.category_map.insert("Apparel > Shoes".into(), "shoes".into());
        let report = run(
            &store,
            &options,
            &FolderImages::new(&dir.path().join("photos")).unwrap(),
        );
        assert_eq!(report.counts.failed_images, 0, "{report:?}");
        assert!(report.ignored.contains("shipping"));
        if name == "feed.xml" {
            let faults: Vec<_> = report
                .faults
                .iter()
                .map(|fault| (fault.line, fault.code.as_str()))
                .collect();
            assert_eq!(faults, [(19, "price")]);
        }
        products.push(store.product("A-1").unwrap().unwrap().product);
    }
    assert_eq!(products[0], products[1]);
    let boot = &products[0];
    assert_eq!(
        (boot.price.as_ref().unwrap().amount, boot.group.as_deref()),
        (12_990, Some("A"))
    );
    assert_eq!(
        (boot.category.as_deref(), boot.brand.as_deref()),
        (Some("shoes"), Some("Nord"))
    );
    assert_eq!(boot.stock.unwrap().availability, Availability::InStock);
    assert_eq!(boot.attributes["color"], Attribute::Text("black".into()));
    let sources: Vec<&str> = boot
        .images
        .iter()
        .map(|image| image.source.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(sources, ["a.jpg", "b.jpg", "c.jpg"]);
}

const SHOPIFY: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Option1 Name,Option1 Value,Variant SKU,\
    Variant Inventory Qty,Variant Price,Image Src,Image Position,Variant Image\n\
    boot,Black boot,\"<p>a,\nb</p>\",Nord,Shoes,\"winter, warm\",Size,41,B-41,3,129.90,b.jpg,2,\n\
    boot,,,,,,,42,,-1,139.90,a.jpg,1,c.jpg\n\
    boot,,,,,,,,,,,c.jpg,3,\n\
    bag,Bag,,Nord,Bags,,Title,Default Title,,,10.00,,,\n";

#[test]
fn a_shopify_export_becomes_one_product_per_variant() {
    let (dir, store) = new_store();
    for image in ["a", "b", "c"] {
        write(&dir, &format!("photos/{image}.jpg"), image);
    }
    let options = ImportOptions {
        currency: Some("EUR".into()),
        ..ImportOptions::new(&write(&dir, "export.csv", SHOPIFY), Format::Shopify)
    };
    let report = run(
        &store,
        &options,
        &FolderImages::new(&dir.path().join("photos")).unwrap(),
    );
    assert_eq!(
        (report.outcome, report.counts.created),
        (Outcome::Applied, 3),
        "{report:?}"
    );
    assert_eq!(ids(&store), ["B-41", "bag", "boot/42"]);
    let get = |id: &str| store.product(id).unwrap().unwrap().product;
    let sources = |id: &str| get(id).images.into_iter().map(|image| image.source).collect::<Vec<_>>();
    assert_eq!(sources("B-41"), ["a.jpg", "b.jpg", "c.jpg"]);
    assert_eq!(sources("boot/42"), ["c.jpg"]);
    let small = get("boot/42");
    assert_eq!(
        (small.group.as_deref(), small.price.unwrap().amount),
        (Some("boot"), 13_990)
    );
    assert_eq!(
        (small.names["en"].as_str(), small.stock.unwrap().quantity),
        ("Black boot", Some(0))
    );
    assert_eq!(small.attributes["Size"], Attribute::Text("42".into()));
    assert!(get("bag").attributes.is_empty());
}

#[test]
fn a_feed_that_is_cut_off_is_refused() {
    let (dir, store) = new_store();
    let cut = &GOOGLE_XML[..GOOGLE_XML.len() - 60];
    let options = lenient(&write(&dir, "feed.xml", cut), Format::Google);
    let result = store.import(&options, &GivenHashes, &mut |_| std::ops::ControlFlow::Continue(()));
    let error = result.expect_err("the file ends within an item").to_string();
    assert!(error.contains("line 19") && error.contains("cut off"), "{error}");
    assert!(ids(&store).is_empty());
}
