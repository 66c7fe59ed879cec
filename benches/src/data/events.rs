//! Events of a web shop, as they come out of a message queue: records in records, lists of records with lists in them,
//! maps, records that may be missing, unions of several types.

use crate::avro_writer::{Codec, Encoder, KIB_64, Writer};
use crate::random::Random;
use std::error::Error;
use std::io::Write;

const SCHEMA: &str = r#"{"type":"record","name":"Event","namespace":"shop","fields":[
  {"name":"id","type":"long"},
  {"name":"time","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"kind","type":{"type":"enum","name":"EventKind",
    "symbols":["VIEW","CLICK","SEARCH","ADD","REMOVE","CHECKOUT","PURCHASE","REFUND"]}},
  {"name":"host","type":"string"},
  {"name":"user","type":{"type":"record","name":"User","fields":[
    {"name":"id","type":"long"},
    {"name":"name","type":["null","string"]},
    {"name":"country","type":"string"},
    {"name":"address","type":["null",{"type":"record","name":"Address","fields":[
      {"name":"street","type":"string"},
      {"name":"city","type":"string"},
      {"name":"zip","type":"int"},
      {"name":"location","type":["null",{"type":"record","name":"Location","fields":[
        {"name":"lat","type":"double"},{"name":"lon","type":"double"}]}]}]}]}]}},
  {"name":"device","type":["null",{"type":"record","name":"Device","fields":[
    {"name":"model","type":"string"},
    {"name":"os","type":{"type":"enum","name":"Os","symbols":["ANDROID","IOS","LINUX","MACOS","WINDOWS"]}},
    {"name":"width","type":"int"},
    {"name":"height","type":"int"}]}]},
  {"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
    {"name":"sku","type":"string"},
    {"name":"quantity","type":"int"},
    {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
    {"name":"discount","type":["null","float"]},
    {"name":"tags","type":{"type":"array","items":"string"}}]}}},
  {"name":"attributes","type":{"type":"map","values":"string"}},
  {"name":"payload","type":["null","long","double","string",
    {"type":"record","name":"Click","fields":[
      {"name":"x","type":"int"},{"name":"y","type":"int"},{"name":"element","type":"string"}]},
    {"type":"record","name":"Search","fields":[
      {"name":"text","type":"string"},{"name":"hits","type":{"type":"array","items":"long"}}]}]},
  {"name":"referrer","type":["null","string"]},
  {"name":"received","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
  {"name":"bot","type":"boolean"}]}"#;

const COUNTRIES: [&str; 8] = ["DE", "US", "FR", "JP", "BR", "IN", "GB", "PL"];
const NAMES: [&str; 8] = ["Ada", "Björn", "Chloé", "Diego", "Emilia", "Fatima", "Grzegorz", "Hana"];
const CITIES: [&str; 6] = ["Berlin", "São Paulo", "Kraków", "Paris", "New York", "東京"];
const MODELS: [&str; 5] = ["Pixel 9", "iPhone 16 Pro", "Galaxy S25 Ultra", "ThinkPad X1 Carbon", "generic"];
const TAGS: [&str; 6] = ["sale", "new", "eco", "gift", "limited edition", "bulk"];
const KEYS: [&str; 6] = ["session", "campaign", "utm_source", "experiment", "locale", "request_id"];
const WORDS: [&str; 8] = ["red", "running", "shoes", "size", "cheap", "waterproof", "kids", "winter"];

/// Writes `rows` rows.
pub(super) fn write(out: impl Write, rows: u64) -> Result<u64, Box<dyn Error>> {
    let mut file = Writer::new(out, SCHEMA, Codec::Null, KIB_64)?;
    let mut random = Random::new(3);
    for index in 0..rows {
        file.row(|out| event(out, index, &mut random))?;
    }
    Ok(file.finish()?.1)
}

fn event(out: &mut Encoder, index: u64, random: &mut Random) {
    let millis = 1_700_000_000_000 + index as i64 * 3;
    out.long(index as i64);
    out.long(millis * 1000 + random.long(1000));
    let kind = random.below(8);
    out.long(kind as i64);
    out.string(&format!("web-{:02}.shop.example", random.below(40)));
    user(out, random);
    let device = (!random.one_in(5)).then(|| random.one_of(&MODELS));
    out.optional(device, |out, model| {
        out.string(model);
        out.long(random.long(5));
        out.long(320 + random.long(3500));
        out.long(480 + random.long(2000));
    });
    let n_items = if kind < 3 { 0 } else { 1 + random.below(4) };
    out.items(n_items, |out, _| item(out, random));
    let first = random.below(KEYS.len() as u64);
    out.items(random.below(5), |out, nth| {
        out.string(KEYS[((first + nth) % KEYS.len() as u64) as usize]);
        let value = random.any();
        // Some fit into a view, some do not.
        out.string(&if random.one_in(2) { format!("{value:016x}") } else { format!("{}", value >> 50) });
    });
    payload(out, random);
    let referrer = random.one_in(3).then(|| random.below(10_000));
    out.optional(referrer, |out, page| out.string(&format!("https://shop.example/page/{page}")));
    let received = (!random.one_in(50)).then(|| millis + random.long(2000));
    out.optional(received, Encoder::long);
    out.boolean(random.one_in(16));
}

fn user(out: &mut Encoder, random: &mut Random) {
    out.long(random.spread(32));
    let name = (!random.one_in(4)).then(|| random.one_of(&NAMES));
    out.optional(name, Encoder::string);
    out.string(random.one_of(&COUNTRIES));
    let city = random.one_in(2).then(|| random.one_of(&CITIES));
    out.optional(city, |out, city| {
        out.string(&format!("{} High Street", 1 + random.below(300)));
        out.string(city);
        out.long(10_000 + random.long(90_000));
        let location = random.one_in(2).then(|| (random.fraction() * 180.0 - 90.0, random.fraction() * 360.0 - 180.0));
        out.optional(location, |out, (lat, lon)| {
            out.double(lat);
            out.double(lon);
        });
    });
}

fn item(out: &mut Encoder, random: &mut Random) {
    out.string(&format!("SKU-{:06}", random.below(200_000)));
    out.long(1 + random.long(5));
    out.decimal(99 + random.spread(18));
    let discount = random.one_in(4).then(|| random.below(50) as f32 / 100.0);
    out.optional(discount, Encoder::float);
    out.items(random.below(4), |out, _| out.string(random.one_of(&TAGS)));
}

/// One of the branches of the union.
fn payload(out: &mut Encoder, random: &mut Random) {
    let branch = random.below(6);
    out.branch(branch as i64);
    match branch {
        0 => {}
        1 => out.long(random.spread(48)),
        2 => out.double(random.fraction() * 100.0),
        3 => out.string(&format!("message {}", random.spread(24))),
        4 => {
            out.long(random.long(3840));
            out.long(random.long(2160));
            out.string(random.one_of(&["#buy", "#menu", "#search-button", "a.product-tile > img"]));
        }
        _ => {
            let words: Vec<&str> = (0..=random.below(4)).map(|_| random.one_of(&WORDS)).collect();
            out.string(&words.join(" "));
            out.items(random.below(6), |out, _| out.long(random.long(200_000)));
        }
    }
}
