// A client generated from a contract: argv is endpoint, PEM file or -, trust directory, operation, values.
// Prints how gSOAP decoded the fault.  With -DHISTORICAL the detail is what gLite's own commands had.
#include <iostream>
#include "WMProxy.nsmap"
#include "soapDelegation1SoapBindingProxy.h"
#include "soapDelegationSoapBindingProxy.h"
#include "soapWMProxyProxy.h"

static void show(const char *name, wmp__BaseFaultType *fault) {
    std::cout << name << "\n" << fault->methodName << "\n" << *fault->ErrorCode << "\n" << fault->FaultCause.size() << "\n";
    std::cout << *fault->Description << "\n";
}

#define KINDS(kind) kind(Authentication) kind(Authorization) kind(Generic) kind(GetQuotaManagement) \
    kind(InvalidArgument) kind(JobUnknown) kind(NoSuitableResources) kind(OperationNotAllowed) kind(ServerOverloaded)

static int told(struct soap *soap) {
    struct SOAP_ENV__Detail *detail = soap->fault ? soap->fault->detail : NULL;
    if (detail) {
#ifdef HISTORICAL
#define CHECK(kind) if (detail->__type == SOAP_TYPE_wmp__##kind##FaultType) { \
        if (!detail->fault) { std::cout << "null\n"; return 1; } \
        show(#kind "Fault", (wmp__BaseFaultType *)(wmp__##kind##FaultType *)detail->fault); return 2; }
#else
#define CHECK(kind) if (detail->wmp__##kind##Fault) { show(#kind "Fault", detail->wmp__##kind##Fault); return 2; }
#endif
        KINDS(CHECK)
#ifndef HISTORICAL
        if (detail->dlg1__DelegationException) {
            std::cout << "DelegationException-1\n" << *detail->dlg1__DelegationException->message << "\n";
            return 2;
        }
        if (detail->dlg2__DelegationException) {
            std::cout << "DelegationException-2\n" << *detail->dlg2__DelegationException->msg << "\n";
            return 2;
        }
#endif
    }
    soap_stream_fault(soap, std::cout);
    return 1;
}

int main(int, char **argv) {
    const std::string operation = argv[4], pem = argv[2];
    soap_ssl_init();
    struct soap *soap = soap_new1(SOAP_XML_STRICT | SOAP_IO_KEEPALIVE);
    const char *key = pem == "-" ? NULL : argv[2];
    if (soap_ssl_client_context(soap, SOAP_SSL_DEFAULT, key, NULL, NULL, argv[3], NULL)) {
        soap_stream_fault(soap, std::cerr);
        return 1;
    }
    WMProxyProxy wmproxy(soap, argv[1]);
    Delegation1SoapBindingProxy first(soap, argv[1]);
    DelegationSoapBindingProxy second(soap, argv[1]);
    if (operation == "getVersion") {
        struct wmp__getVersionResponse answer;
        if (wmproxy.getVersion(answer)) return told(soap);
        std::cout << answer.version << "\n";
    } else if (operation == "jobRegister") {
        struct wmp__jobRegisterResponse answer;
        if (wmproxy.jobRegister(argv[5], argv[6], answer)) return told(soap);
        std::cout << answer._jobIdStruct->id << "\n";
    } else if (operation == "getFreeQuota") {
        struct wmp__getFreeQuotaResponse answer;
        if (wmproxy.getFreeQuota(answer)) return told(soap);
        std::cout << answer.softLimit << "\n" << answer.hardLimit << "\n";
    } else if (operation == "jobListMatch") {
        struct wmp__jobListMatchResponse answer;
        if (wmproxy.jobListMatch(argv[5], argv[6], answer)) return told(soap);
        std::cout << answer._CEIdAndRankList->file.size() << "\n";
    } else if (operation == "getJobStatus") {
        struct wmp__getJobStatusResponse answer;
        if (wmproxy.getJobStatus(argv[5], answer)) return told(soap);
        std::cout << answer.JobStatusStruct->status << "\n";
    } else if (operation == "jobStart") {
        struct wmp__jobStartResponse answer;
        if (wmproxy.jobStart(argv[5], answer)) return told(soap);
    } else if (operation == "getACLItems") {
        struct wmp__getACLItemsResponse answer;
        if (wmproxy.getACLItems(argv[5], answer)) return told(soap);
        std::cout << answer.items->Item.size() << "\n";
    } else if (operation == "getProxyReq-1") {
        struct dlg1__getProxyReqResponse answer;
        if (first.getProxyReq(argv[5], answer)) return told(soap);
        std::cout << answer._getProxyReqReturn << "\n";
    } else if (operation == "putProxy-1") {
        struct dlg1__putProxyResponse answer;
        if (first.putProxy(argv[5], argv[6], answer)) return told(soap);
    } else if (operation == "getNewProxyReq-2") {
        struct dlg2__getNewProxyReqResponse answer;
        if (second.getNewProxyReq(answer)) return told(soap);
        std::cout << *answer.getNewProxyReqReturn->delegationID << "\n";
    } else if (operation == "getTerminationTime-2") {
        struct dlg2__getTerminationTimeResponse answer;
        if (second.getTerminationTime(argv[5], answer)) return told(soap);
        std::cout << answer._getTerminationTimeReturn << "\n";
    } else {
        return 3;
    }
    return 0;
}
