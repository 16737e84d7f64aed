//! What `etcd-client`'s build script wants of `tonic-prost-build`, without `protoc`.
//!
//! The real one runs `protoc`, a program that a host would have to have. Here `.proto` files are read by `protox`, which is
//! Rust; `prost-build` and `tonic-build` make code of them, as there. The workspace puts this in the real one's place, so that
//! a plain `cargo build` needs nothing but a Rust toolchain. It goes when `etcd-client` can do without `protoc`.

use std::io;
use std::path::Path;

use proc_macro2::TokenStream;
use prost_build::{Config, ServiceGenerator};
use tonic_build::CodeGenBuilder;

/// Begins with code for clients alone.
pub fn configure() -> Builder {
    Builder { servers: false }
}

/// What code to make.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    servers: bool,
}

impl Builder {
    /// Code for servers can't be had here: [`Builder::compile_protos`] refuses then.
    pub fn build_server(self, enable: bool) -> Self {
        Self { servers: enable }
    }

    /// Makes code of these files, in Cargo's `OUT_DIR`.
    pub fn compile_protos(self, protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> io::Result<()> {
        if self.servers {
            return Err(io::Error::other("code for servers needs the real tonic-prost-build, and protoc"));
        }
        let descriptors = protox::compile(protos, includes).map_err(io::Error::other)?;
        Config::new().service_generator(Box::new(Clients)).compile_fds(descriptors)
    }
}

struct Clients;

impl ServiceGenerator for Clients {
    fn generate(&mut self, service: prost_build::Service, code: &mut String) {
        let service = Service { methods: service.methods.iter().map(Method::from).collect(), service };
        let client = CodeGenBuilder::new().emit_package(true).build_transport(true).generate_client(&service, "super");
        code.push_str(&client.to_string());
    }
}

struct Service {
    service: prost_build::Service,
    methods: Vec<Method>,
}

struct Method {
    name: String,
    proto_name: String,
    /// Types of request and response, as their module knows them.
    types: (String, String),
    /// Whether client and server send several.
    streams: (bool, bool),
}

impl From<&prost_build::Method> for Method {
    fn from(method: &prost_build::Method) -> Self {
        Self {
            name: method.name.clone(),
            proto_name: method.proto_name.clone(),
            types: (method.input_type.clone(), method.output_type.clone()),
            streams: (method.client_streaming, method.server_streaming),
        }
    }
}

impl tonic_build::Service for Service {
    type Comment = String;
    type Method = Method;

    fn name(&self) -> &str {
        &self.service.name
    }

    fn package(&self) -> &str {
        &self.service.package
    }

    fn identifier(&self) -> &str {
        &self.service.proto_name
    }

    fn methods(&self) -> &[Method] {
        &self.methods
    }

    fn comment(&self) -> &[String] {
        &[]
    }
}

impl tonic_build::Method for Method {
    type Comment = String;

    fn name(&self) -> &str {
        &self.name
    }

    fn identifier(&self) -> &str {
        &self.proto_name
    }

    fn codec_path(&self) -> &str {
        "tonic_prost::ProstCodec"
    }

    fn client_streaming(&self) -> bool {
        self.streams.0
    }

    fn server_streaming(&self) -> bool {
        self.streams.1
    }

    fn comment(&self) -> &[String] {
        &[]
    }

    fn request_response_name(&self, within: &str, _well_known: bool) -> (TokenStream, TokenStream) {
        let path = |name: &String| format!("{within}::{name}").parse().expect("the path of a type");
        (path(&self.types.0), path(&self.types.1))
    }
}
