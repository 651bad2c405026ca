// A server that gSOAP makes from WMProxy's contract and that answers constants: what a SOAP service in C++ costs which
// does nothing.  It parses each request into the types of the contract and writes the answer from them.
//
//     server PORT THREADS CHILDREN                            plain HTTP
//     server PORT THREADS CHILDREN PEM TRUST_DIRECTORY        TLS; PEM holds certificate and key of the host
//
// A thread of the pool serves a connection to its end; requests over kept connections are not counted.  Over TLS a
// client certificate is required, proxies are allowed, and the verdict on the chain is OpenSSL's own: signatures and
// dates up to a CA of the trust directory; no CRLs, no signing policies, no VOMS.  Sessions are not resumed.

#include "soapWMProxyService.h"
#include "WMProxy.nsmap"

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <string>
#include <thread>
#include <vector>

static long children = 0;

static std::string *text(struct soap *soap, const std::string &value) {
    std::string *made = soap_new_std__string(soap, -1);
    *made = value;
    return made;
}

static wmp__JobIdStructType *job(struct soap *soap, long number) {
    wmp__JobIdStructType *made = soap_new_wmp__JobIdStructType(soap, -1);
    const std::string unique = "AAAAAAAAAAAAAAAAAA" + std::to_string(1000 + number);
    made->id = "https://localhost:9000/" + unique;
    made->path = text(soap, "SandboxDir/AA/https_3a_2f_2flocalhost_3a9000_2f" + unique + "/input");
    return made;
}

int WMProxyService::getVersion(struct wmp__getVersionResponse &answer) {
    answer.version = "3.9.0";
    return SOAP_OK;
}

int WMProxyService::jobRegister(const std::string &, const std::string &, struct wmp__jobRegisterResponse &answer) {
    answer._jobIdStruct = job(soap, 0);
    for (long number = 1; number <= children; number++) {
        wmp__JobIdStructType *child = job(soap, number);
        child->name = text(soap, "Node" + std::to_string(number - 1));
        answer._jobIdStruct->childrenJob.push_back(child);
    }
    return SOAP_OK;
}

#include "others.inc"  // the other operations of the contract, not served

class Pool {
  public:
    Pool(WMProxyService &service, int threads, bool tls) : tls_(tls) {
        for (int i = 0; i < threads; i++) {
            WMProxyService *own = service.copy();
            threads_.emplace_back([this, own] { work(*own); });
        }
    }

    void put(SOAP_SOCKET socket) {
        {
            std::lock_guard<std::mutex> held(lock_);
            waiting_.push_back(socket);
        }
        ready_.notify_one();
    }

  private:
    const bool tls_;
    std::mutex lock_;
    std::condition_variable ready_;
    std::deque<SOAP_SOCKET> waiting_;
    std::vector<std::thread> threads_;

    void work(WMProxyService &service) {
        for (;;) {
            {
                std::unique_lock<std::mutex> held(lock_);
                ready_.wait(held, [this] { return !waiting_.empty(); });
                service.soap->socket = waiting_.front();
                waiting_.pop_front();
            }
            if (tls_ && service.ssl_accept() != SOAP_OK)
                service.soap_force_close_socket();
            else
                service.serve();
            service.destroy();
        }
    }
};

int main(int count, char **values) {
    if (count != 4 && count != 6) {
        fprintf(stderr, "usage: %s PORT THREADS CHILDREN [PEM TRUST_DIRECTORY]\n", values[0]);
        return 2;
    }
    const bool tls = count == 6;
    signal(SIGPIPE, SIG_IGN);
    children = atol(values[3]);
    WMProxyService service(SOAP_IO_KEEPALIVE);
    service.soap->max_keep_alive = 0x7fffffff;
    service.soap->bind_flags = SO_REUSEADDR;
    service.soap->recv_timeout = service.soap->send_timeout = 60;
    if (tls) {
        soap_ssl_init();
        if (soap_ssl_server_context(service.soap, SOAP_TLSv1_2 | SOAP_TLSv1_3 | SOAP_SSL_REQUIRE_CLIENT_AUTHENTICATION,
                                    values[4], nullptr, nullptr, values[5], nullptr, nullptr, nullptr) != SOAP_OK) {
            service.soap_print_fault(stderr);
            return 1;
        }
        SSL_CTX *context = service.soap->ctx;
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_ALLOW_PROXY_CERTS);
    }
    if (!soap_valid_socket(service.bind("127.0.0.1", atoi(values[1]), 512))) {
        service.soap_print_fault(stderr);
        return 1;
    }
    Pool pool(service, atoi(values[2]), tls);
    for (;;) {
        const SOAP_SOCKET socket = service.accept();
        if (soap_valid_socket(socket)) pool.put(socket);
    }
}
