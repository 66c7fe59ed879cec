//! Files of foreign projects that these use to test schema resolution, where there are any (see `corpus.rs`): each with
//! a reader's schema, and the rows that come out. Expected are the rows that the projects themselves have beside the
//! files, or else those that fastavro finds; `testdata/differential.py --files` compares all of the folder's files with
//! fastavro.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use avro_arrow::container::Header;
use avro_arrow::schema::Schema;
use avro_arrow::{Limits, Options};
use avro_testing::check_all;
use std::fs;
use support::foreign_files;
use support::json::lines;
use support::ways::Way;

const PIG: &str = "apache+pig__avro__avro_test_files__";
const PIG_OLD: &str = "apache+pig__TestAvroStorageData__";
const IMPALA: &str = "apache+impala__testdata__avro_schema_resolution__";
const FASTAVRO: &str = "fastavro+fastavro__tests__avro-files__";
const AVRO: &str = "apache+avro__share__test__data__";
const DUCKDB: &str = "duckdb+duckdb-avro__test__";

/// A file's rows, all ways to read it agreeing; with its own schema, or another.
fn rows(file: &[u8], reader: Option<&str>) -> Vec<String> {
    let reader_schema = reader.map(|json| Schema::parse(json, &Limits::default()).unwrap());
    let options = Options::default().with_reader_schema(reader_schema);
    let [first, rest @ ..] = [Way::Reader, Way::Parallel(2), Way::Pieces(3), Way::Reference]
        .map(|way| lines(&way.read(file, &options).unwrap(&format!("{way} {reader:?}"))));
    assert!(rest.iter().all(|rows| *rows == first), "{reader:?}");
    first
}

/// Each file of a table with the table's schema.
fn check(files: &[(&str, &str, &[&str])], schema: &str) {
    let Some(folder) = foreign_files() else { return };
    for (project, name, want) in files {
        let file = fs::read(folder.join(format!("{project}{name}.avro"))).unwrap();
        assert_eq!(rows(&file, Some(schema)), *want, "{name}");
    }
}

fn record(name: &str, fields: &str) -> String {
    format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#)
}

#[test]
fn impala_promotes_reorders_and_fills_in() {
    let table = record(
        "a",
        r#"{"name":"boolean1","type":"boolean","default":true},{"name":"int1","type":"int","default":1},
           {"name":"long1","type":"long","default":1},{"name":"float1","type":"float","default":1.0},
           {"name":"double1","type":"double","default":1.0},{"name":"date1","type":{"type":"int","logicalType":"date"}},
           {"name":"string1","type":"string","default":"default string"},{"name":"n","type":["null","int"],"default":null}"#,
    );
    let row = r#"{"boolean1":false,"int1":2,"long1":2,"float1":"2.0","double1":"2.0","date1":2,"string1":"serialized string","n":null}"#;
    check(&[(IMPALA, "records2", &[row])], &table);
}

#[test]
fn pig_merges_records_with_defaults() {
    let table = record(
        "employee",
        r#"{"name":"name","type":"string","default":"NU"},{"name":"age","type":"long","default":0},
           {"name":"dept","type":"string","default":"DU"},{"name":"office","type":"string","default":"OU"},
           {"name":"lastname","type":"string","default":"LNU"},{"name":"salary","type":["null","int"],"default":null}"#,
    );
    check(
        &[
            (
                PIG,
                "test_merge_schemas_default__Employee3",
                &[
                    r#"{"name":"Milo","age":30,"dept":"DH","office":"OU","lastname":"LNU","salary":null}"#,
                    r#"{"name":"Asmya","age":34,"dept":"PQ","office":"OU","lastname":"LNU","salary":null}"#,
                    r#"{"name":"Baljit","age":23,"dept":"RS","office":"OU","lastname":"LNU","salary":null}"#,
                ],
            ),
            (
                PIG,
                "test_merge_schemas_default__Employee4",
                &[
                    r#"{"name":"Praj","age":54,"dept":"RMX","office":"Champaign","lastname":"LNU","salary":null}"#,
                    r#"{"name":"Buba","age":767,"dept":"HD","office":"Sunnyvale","lastname":"LNU","salary":null}"#,
                    r#"{"name":"Manku","age":375,"dept":"MS","office":"New York","lastname":"LNU","salary":null}"#,
                ],
            ),
            (
                PIG,
                "test_merge_schemas_default__Employee6",
                &[
                    r#"{"name":"Pune","age":60,"dept":"Astrophysics","office":"UTA","lastname":"Warriors","salary":5466}"#,
                    r#"{"name":"Rajsathan","age":20,"dept":"Biochemistry","office":"Stanford","lastname":"Royals","salary":1378}"#,
                    r#"{"name":"Chennai","age":50,"dept":"Microbiology","office":"Hopkins","lastname":"Superkings","salary":7338}"#,
                    r#"{"name":"Mumbai","age":20,"dept":"Applied Math","office":"UAH","lastname":"Indians","salary":4468}"#,
                ],
            ),
        ],
        &table,
    );
}

#[test]
fn pig_loads_with_a_schema_of_the_users() {
    // As in the file `expected_testUserDefinedLoadSchema`, which is of both files.
    let user = record(
        "employee",
        r#"{"name":"name","type":"string","default":"NO_NAME"},{"name":"address","type":{"type":"record","name":"addressDetails",
           "fields":[{"name":"customField1","type":"int","default":0},{"name":"customField2","type":"int","default":0},
           {"name":"customField3","type":"int","default":0}]}}"#,
    );
    let Some(folder) = foreign_files() else { return };
    let read = |name: &str| fs::read(folder.join(format!("{PIG}{name}.avro"))).unwrap();
    let input = |n| read(&format!("test_user_defined_load_schema__testUserDefinedLoadSchema_input{n}"));
    let got: Vec<String> = [1, 2].into_iter().flat_map(|n| rows(&input(n), Some(&user))).collect();
    assert_eq!(got.len(), 2);
    assert_eq!(got, rows(&read("expected_testUserDefinedLoadSchema"), None));
}

#[test]
fn pig_stores_with_another_schema() {
    let Some(folder) = foreign_files() else { return };
    // What Pig read, what it made of it with another schema, and whether it left out rows.
    let cases = [
        (PIG_OLD, "test_array", PIG, "expected_testArrayWithSchemaURI", false),
        (PIG_OLD, "test_array", PIG_OLD, "expected_testArrayWithSchema", false),
        (PIG_OLD, "test_array", PIG_OLD, "expected_testArrayDefault", false),
        (PIG_OLD, "test_record", PIG_OLD, "expected_testRecordWithFieldSchema", true),
        (PIG_OLD, "test_record", PIG, "expected_testFileWithNoExtension", true),
    ];
    check_all(cases, |(project, name, of, expected, filtered)| {
        let file = fs::read(folder.join(format!("{project}{name}.avro"))).unwrap();
        let expected_file = fs::read(folder.join(format!("{of}{expected}.avro"))).unwrap();
        let header = Header::parse(&expected_file, &Limits::default()).unwrap().unwrap();
        let got = rows(&file, Some(header.schema.json()));
        let want = rows(&expected_file, None);
        assert!(want.len() > 10, "{expected}");
        if filtered {
            let mut left = got.iter();
            assert!(want.iter().all(|row| left.any(|other| other == row)), "{expected}: {got:?}");
        } else {
            assert_eq!(got, want, "{expected}");
        }
    });
}

#[test]
fn recursive_type_is_read_to_depth_of_reader_schema() {
    let union = record(
        "recursive_record",
        r#"{"name":"value","type":"int"},{"name":"next","type":["null",{"type":"record","name":"second","fields":[
           {"name":"value","type":"long"},{"name":"next","type":["null",{"type":"record","name":"third","fields":[
           {"name":"value","type":"double"}]}]}]}]}"#,
    );
    check(
        &[(
            PIG,
            "test_recursive_record_in_union",
            &[
                r#"{"value":1,"next":{"value":2,"next":{"value":"3.0"}}}"#,
                r#"{"value":2,"next":{"value":3,"next":null}}"#,
                r#"{"value":3,"next":null}"#,
            ],
        )],
        &union,
    );
    let map = record(
        "recursive_record",
        r#"{"name":"nested","type":["null",{"type":"map","values":{"type":"record","name":"second","fields":[
           {"name":"id","type":"long"}]}}]},{"name":"id","type":"long"}"#,
    );
    check(
        &[(
            PIG,
            "test_recursive_record_in_map",
            &[r#"{"nested":[["next",{"id":2}]],"id":1}"#, r#"{"nested":null,"id":2}"#],
        )],
        &map,
    );
}

#[test]
fn columns_in_another_order_follow_reader_schema() {
    let table = record(
        "root",
        r#"{"name":"three","type":"string"},{"name":"eins","type":"long","aliases":["one"]},{"name":"two","type":["double","null"]}"#,
    );
    check(
        &[
            (
                DUCKDB,
                "union-name-1",
                &[r#"{"three":"s30","eins":10,"two":"2.0"}"#, r#"{"three":"s31","eins":11,"two":"2.1"}"#],
            ),
            (
                DUCKDB,
                "union-name-2",
                &[r#"{"three":"s32","eins":12,"two":"2.2"}"#, r#"{"three":"s33","eins":13,"two":"2.3"}"#],
            ),
            (
                DUCKDB,
                "union-name-3",
                &[r#"{"three":"s34","eins":14,"two":"2.4"}"#, r#"{"three":"s35","eins":15,"two":"2.5"}"#],
            ),
        ],
        &table,
    );
}

#[test]
fn named_types_of_fastavro_and_unions_of_avro() {
    check(
        &[(FASTAVRO, "double_float", &[r#"{"float_field":"1.0","double_field":{"branch":"double","value":"2.0"}}"#])],
        &record(
            "Numbers",
            r#"{"name":"float_field","type":"double"},{"name":"double_field","type":["float","double","null"]}"#,
        ),
    );
    // The reader has one definition for two references, and the other way around.
    check(
        &[(
            FASTAVRO,
            "weather-legacy-with-names",
            &[
                r#"{"temp":"0.0","right":{"station":{"id":"012651-99999"}},"left":{"station":{"id":"012650-99999","extra":7}}}"#,
                r#"{"temp":"22.0","right":{"station":{"id":null}},"left":{"station":{"id":"012650-99999","extra":7}}}"#,
                r#"{"temp":"-11.0","right":{"station":{"id":null}},"left":{"station":{"id":null,"extra":7}}}"#,
            ],
        )],
        &record(
            "test.Weather",
            r#"{"name":"temp","type":"double"},
            {"name":"right","aliases":["right_neighbor"],"type":{"type":"record","name":"Right","aliases":["Neighbor"],"fields":[
                {"name":"station","type":{"type":"record","name":"Station","fields":[
                    {"name":"id","aliases":["station_id"],"type":["null","string"]}]}}]}},
            {"name":"left","aliases":["left_neighbor"],"type":{"type":"record","name":"Neighbor","fields":[
                {"name":"station","type":{"type":"record","name":"Other","aliases":["Station"],"fields":[
                    {"name":"id","aliases":["station_id"],"type":["null","string"]},
                    {"name":"extra","type":"int","default":7}]}}]}}"#,
        ),
    );
    check(
        &[(
            AVRO,
            "schemas__withUnion__data",
            &[
                r#"{"data2":null,"data1":{"branch":"string","value":"textValue"}}"#,
                r#"{"data2":{"d1":{"branch":"boolean","value":false}},"data1":{"branch":"long","value":123}}"#,
                r#"{"data2":{"d1":{"branch":"bytes","value":"746578742076616c7565"}},"data1":{"branch":"long","value":3}}"#,
            ],
        )],
        &record(
            "unionfields",
            r#"{"name":"data2","type":["null",{"type":"record","name":"inner","fields":[{"name":"d1","type":
            ["null","bytes","int","boolean"]}]}]},{"name":"data1","type":["null","long","string"]}"#,
        ),
    );
}
