// The driver of benchmarks/load.py again, in C++: the same options, the same figures, a tenth of the CPU time.
// It is compiled when there is a server to be measured that a driver in Python would hold up.
//
//     g++ -O2 -std=c++17 -pthread load.cpp -lssl -lcrypto
//     load URL --trust DIR --credential PEM --requests N --seconds S --connections N [--new] [--header=LINE] [--body -]
//
// Kept connections are driven by one loop; with --new every request has a connection of its own, made by as many
// threads as --connections. Anything but 200 ends it with 1.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

constexpr double deadline = 120;  // seconds for everything

double now() {
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(const std::string &what) { throw std::runtime_error(what); }

struct Load {
    std::string url, host, port, path = "/", trust, credential, body;
    std::vector<std::string> headers;
    long requests = 2000, connections = 8;
    double seconds = 0;
    bool fresh = false, tls = true;

    void read_url() {
        const auto scheme = url.find("://");
        if (scheme == std::string::npos) fail("not a URL: " + url);
        tls = url.compare(0, scheme, "https") == 0;
        auto rest = url.substr(scheme + 3);
        const auto slash = rest.find('/');
        if (slash != std::string::npos) {
            path = rest.substr(slash);
            rest.resize(slash);
        }
        const auto colon = rest.rfind(':');
        host = rest.substr(0, colon);
        port = colon == std::string::npos ? (tls ? "443" : "80") : rest.substr(colon + 1);
    }

    std::string request() const {
        std::string text = (body.empty() ? "GET " : "POST ") + path + " HTTP/1.1\r\nHost: " + host + ":" + port + "\r\n";
        for (const auto &line : headers) text += line + "\r\n";
        if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        if (fresh) text += "Connection: close\r\n";
        return text + "\r\n" + body;
    }
};

SSL_CTX *context(const Load &load) {
    if (!load.tls) return nullptr;
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
    if (SSL_CTX_load_verify_locations(made, nullptr, load.trust.c_str()) != 1 ||
        SSL_CTX_use_certificate_chain_file(made, load.credential.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, load.credential.c_str(), SSL_FILETYPE_PEM) != 1)
        fail("the credential or the trust directory cannot be used");
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(made), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return made;
}

class Connection {
  public:
    int descriptor = -1;
    double started = 0;

    Connection(const Load &load, SSL_CTX *tls) {
        addrinfo wanted{}, *found = nullptr;
        wanted.ai_socktype = SOCK_STREAM;
        if (getaddrinfo(load.host.c_str(), load.port.c_str(), &wanted, &found) != 0) fail("no address for " + load.host);
        for (auto *one = found; one && descriptor < 0; one = one->ai_next) {
            const int made = socket(one->ai_family, SOCK_STREAM, 0);
            if (connect(made, one->ai_addr, one->ai_addrlen) == 0)
                descriptor = made;
            else
                close(made);
        }
        freeaddrinfo(found);
        if (descriptor < 0) fail("cannot connect to " + load.url);
        const int on = 1;
        const timeval patience{30, 0};
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (!tls) return;
        tls_ = SSL_new(tls);
        SSL_set1_host(tls_, load.host.c_str());
        SSL_set_tlsext_host_name(tls_, load.host.c_str());
        SSL_set_fd(tls_, descriptor);
        if (SSL_connect(tls_) != 1) fail(std::string("TLS: ") + ERR_error_string(ERR_get_error(), nullptr));
    }

    Connection(const Connection &) = delete;

    ~Connection() {
        if (tls_) {
            SSL_shutdown(tls_);
            SSL_free(tls_);
        }
        close(descriptor);
    }

    void send(const std::string &text) {
        for (size_t sent = 0; sent < text.size();) {
            const auto left = text.size() - sent;
            const long moved = tls_ ? SSL_write(tls_, text.data() + sent, int(left)) : ::send(descriptor, text.data() + sent, left, 0);
            if (moved <= 0) fail("the server closed the connection");
            sent += size_t(moved);
        }
    }

    // Read one answer to its end.
    void receive() {
        std::string data;
        size_t end;
        while ((end = data.find("\r\n\r\n")) == std::string::npos) take(data);
        if (data.compare(0, 12, "HTTP/1.1 200") != 0) fail(data.substr(0, data.find("\r\n")) + "\n" + data.substr(end + 4, 2000));
        std::string head = data.substr(0, end);
        std::transform(head.begin(), head.end(), head.begin(), ::tolower);
        const auto field = head.find("\r\ncontent-length:");
        if (field == std::string::npos) fail("an answer without Content-Length");
        const size_t whole = end + 4 + std::strtoul(head.c_str() + field + 17, nullptr, 10);
        while (data.size() < whole) take(data);
    }

  private:
    SSL *tls_ = nullptr;

    void take(std::string &data) {
        char piece[65536];
        const long got = tls_ ? SSL_read(tls_, piece, sizeof piece) : recv(descriptor, piece, sizeof piece, 0);
        if (got <= 0) fail("the server closed the connection");
        data.append(piece, size_t(got));
    }
};

struct Times {
    double begin = 0;
    std::vector<double> each;
};

Times kept(const Load &load, SSL_CTX *tls, const std::string &request) {
    std::vector<std::unique_ptr<Connection>> all;
    const int poll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < std::min(load.connections, load.requests); i++) {
        all.push_back(std::make_unique<Connection>(load, tls));
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = all.back().get();
        epoll_ctl(poll, EPOLL_CTL_ADD, all.back()->descriptor, &event);
    }
    Times times{now(), {}};
    const double last = times.begin + (load.seconds > 0 ? load.seconds : deadline);
    long sent = 0;
    for (auto &one : all) {
        one->started = now();
        one->send(request);
        sent++;
    }
    std::vector<epoll_event> events(all.size());
    while (long(times.each.size()) < sent) {
        const int ready = epoll_wait(poll, events.data(), int(events.size()), 30000);
        if (ready <= 0) fail("no answer within 30 s");
        for (int i = 0; i < ready; i++) {
            auto &one = *static_cast<Connection *>(events[size_t(i)].data.ptr);
            one.receive();
            const double moment = now();
            times.each.push_back(moment - one.started);
            if (sent < load.requests && moment < last) {
                one.started = moment;
                one.send(request);
                sent++;
            }
        }
    }
    close(poll);
    return times;
}

Times fresh(const Load &load, SSL_CTX *tls, const std::string &request) {
    Times times{now(), {}};
    const double last = times.begin + (load.seconds > 0 ? load.seconds : deadline);
    std::atomic<long> left{load.requests};
    std::mutex lock;
    std::string failure;
    auto work = [&] {
        try {
            while (left-- > 0 && now() < last) {
                const double begin = now();
                {
                    Connection one(load, tls);
                    one.send(request);
                    one.receive();
                }
                std::lock_guard<std::mutex> held(lock);
                times.each.push_back(now() - begin);
                if (!failure.empty()) return;
            }
        } catch (const std::exception &error) {
            std::lock_guard<std::mutex> held(lock);
            failure = error.what();
        }
    };
    std::vector<std::thread> threads;
    for (long i = 0; i < load.connections; i++) threads.emplace_back(work);
    for (auto &thread : threads) thread.join();
    if (!failure.empty()) fail(failure);
    return times;
}

Load read(int count, char **values) {
    Load load;
    for (int i = 1; i < count; i++) {
        const std::string name = values[i];
        auto value = [&]() -> std::string {
            if (++i >= count) fail(name + " wants a value");
            return values[i];
        };
        if (name == "--trust") load.trust = value();
        else if (name == "--credential") load.credential = value();
        else if (name == "--requests") load.requests = std::stol(value());
        else if (name == "--connections") load.connections = std::stol(value());
        else if (name == "--seconds") load.seconds = std::stod(value());
        else if (name == "--new") load.fresh = true;
        else if (name == "--json") continue;
        else if (name.compare(0, 9, "--header=") == 0) load.headers.push_back(name.substr(9));
        else if (name == "--body") {
            if (value() != "-") fail("a body comes from the standard input: --body -");
            char piece[65536];
            for (size_t got; (got = fread(piece, 1, sizeof piece, stdin)) > 0;) load.body.append(piece, got);
        } else if (name[0] != '-') load.url = name;
        else fail("unknown option " + name);
    }
    load.read_url();
    return load;
}

}  // namespace

int main(int count, char **values) {
    signal(SIGPIPE, SIG_IGN);
    try {
        const Load load = read(count, values);
        SSL_CTX *tls = context(load);
        Times times = load.fresh ? fresh(load, tls, load.request()) : kept(load, tls, load.request());
        const double seconds = now() - times.begin;
        auto &each = times.each;
        std::sort(each.begin(), each.end());
        if (each.empty()) fail("no request was sent");
        printf("{\"requests\": %zu, \"seconds\": %.3f, \"rate\": %.1f, \"median\": %.3f, \"p99\": %.3f, \"worst\": %.3f}\n",
               each.size(), seconds, double(each.size()) / seconds, each[each.size() / 2] * 1000,
               each[size_t(double(each.size()) * 0.99)] * 1000, each.back() * 1000);
        return 0;
    } catch (const std::exception &error) {
        fprintf(stderr, "load: %s\n", error.what());
        return 1;
    }
}
